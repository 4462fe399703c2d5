// What may not be left of a gateway's own machines when all is quiet (PROTOCOL.md I3, I5).
import { GATEWAY_KEY_FILE } from '../../relay/gateway-key.ts';
import type { OwnGateway } from './own-gateway.ts';
import type { RelayNode } from './relay-node.ts';
import { checkUpgradeQuiet } from './upgrade-audit.ts';
import type { World } from './world.ts';

export function checkGatewayQuiet(world: World, gateway: OwnGateway): void {
  const { site, edge } = world;
  const waits = gateway.waitsFor();
  if (waits !== null) site.violate('I19', `the gateway waits for ${waits}; it is ${gateway.ending()}`);
  if (gateway.upgrade !== null) checkUpgradeQuiet(world, gateway, gateway.upgrade);
  const { storage } = edge.gateway;
  const nodes = storage.run('SELECT node_id, claim FROM node');
  const codes = storage.run('SELECT claim FROM code WHERE claim IS NOT NULL AND used_by IS NULL');
  storage.commit();
  const machines = [...edge.clusters.values()].flatMap(({ state }) =>
    state?.kind === 'gateway' ? state.machines : [],
  );
  const open = new Set<string>(machines.flatMap(({ claim, leaving }) => (leaving?.goneAt == null ? [claim] : [])));
  const seen = new Set<string>();
  for (const { node_id: id, claim } of nodes) {
    if (typeof claim !== 'string') continue;
    if (!open.has(claim))
      site.violate('I3', `${String(id)} is a node still, and its machine under ${claim} is given back`);
    if (seen.has(claim)) site.violate('I3', `two nodes are of the machine under ${claim}`);
    seen.add(claim);
  }
  for (const { claim } of codes)
    if (!open.has(String(claim)))
      site.violate('I3', `a code for ${String(claim)} stands, and that machine is given back`);
  if (!gateway.console.catalogue.isGone) return;
  if (nodes.length > 0) site.violate('I5', 'the gateway is deleted and knows of relays');
  const strays = straysOf(world, gateway);
  for (const node of gateway.relays.nodes()) {
    const { name, disk } = node;
    if (!strays.has(node) && disk.files.has(GATEWAY_KEY_FILE))
      site.violate('I5', `the gateway is deleted and ${name} has its key`);
  }
}

/** A person marked it broken and its BMC did not obey: it runs on, MAAS calls it free, and nobody may touch it. */
function straysOf({ region, machines }: World, { relays }: OwnGateway): ReadonlySet<RelayNode | null> {
  const { lives, markedBroken } = machines;
  const running = [...markedBroken].filter((id) => lives.has(id) && region.machines.get(id)?.owner === null);
  return new Set(running.map((systemId) => relays.of(systemId)));
}
