// ensure-address and ensure-address-released: a cluster's virtual IP, reserved in MAAS under the cluster's DNS name.
import type { BodyOf } from '../../shared/command.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { findAddress, releaseAddress, reserveAddress } from '../maas/addresses.ts';
import type { MaasClient } from '../maas/client.ts';
import type { CommandContext, Handler, HandlerFailure } from './handler.ts';
import { mayPass, persevere, stillUnknown } from './persevere.ts';

/** An address that the name has already, of whatever list, is the answer: the planner may have asked before. */
export const ensureAddress: Handler<'ensure-address'> = async (body, context) => {
  const maas = await context.maas(body.account);
  if (!maas.ok) return maas;
  const refused: Record<string, string> = {};
  for (const ip of body.candidates) {
    const had = await reserveOne(body, context, maas.value, ip);
    if (!had.ok) return had;
    if ('ip' in had.value) return ok({ verb: 'ensure-address', ip: had.value.ip });
    refused[ip] = had.value.refused;
  }
  return err({ code: 'ADDRESS_TAKEN', refused, detail: `none of ${body.candidates.length} addresses can be had` });
};

export const ensureAddressReleased: Handler<'ensure-address-released'> = async (body, context) => {
  const maas = await context.maas(body.account);
  if (!maas.ok) return maas;
  const { fqdn } = body;
  const found = await findAddress(maas.value, fqdn);
  if (!found.ok) return found;
  const released: string[] = [];
  for (const { ip } of found.value.filter((address) => address.ours)) {
    // It looks before it acts, so it may be repeated after a lost answer.
    const gone = await persevere<unknown>(context, async () => {
      const may = await context.beforeChange(`release address ${ip}`);
      if (!may.ok) return may;
      context.ports.reach('before-address-release');
      return releaseAddress(maas.value, { ip, fqdn });
    });
    context.ports.reach('after-address-release');
    if (!gone.ok) return err(stillUnknown(`release of ${ip} got no answer`, gone.error));
    released.push(ip);
  }
  return ok({ verb: 'ensure-address-released', released });
};

type Reserved = { readonly ip: string } | { readonly refused: string };

async function reserveOne(
  { fqdn }: BodyOf<'ensure-address'>,
  context: CommandContext,
  maas: MaasClient,
  ip: string,
): Promise<Result<Reserved, HandlerFailure>> {
  const what = `reserve of ${ip} got no answer`;
  let unsure = false;
  const reserved = await persevere<Reserved>(context, async () => {
    const standing = await findAddress(maas, fqdn);
    if (!standing.ok) return standing;
    const ours = standing.value.find((address) => address.ours);
    if (ours !== undefined) {
      context.late.took('found');
      return ok({ ip: ours.ip });
    }
    const may = await context.beforeChange(`reserve address ${ip}`);
    if (!may.ok) return may;
    context.ports.reach('before-address-reserve');
    const got = await reserveAddress(maas, { ip, fqdn });
    context.ports.reach('after-address-reserve');
    if (got.ok) {
      context.late.took('answered');
      return ok({ ip: got.value.ip });
    }
    if (got.error.code === 'ADDRESS_TAKEN' || got.error.code === 'ADDRESS_NOT_RESERVABLE')
      return ok({ refused: got.error.detail });
    if (got.error.code === 'ADDRESS_NAME_TAKEN')
      return err({ code: 'ADDRESS_TAKEN', refused: { [fqdn]: got.error.detail }, detail: got.error.detail });
    if (got.error.code === 'MAAS_UNKNOWN_OUTCOME') {
      unsure = true;
      context.late.unanswered();
    }
    return err(got.error);
  });
  if (reserved.ok || !unsure || !mayPass(reserved.error)) return reserved;
  return err(stillUnknown(what, reserved.error));
}
