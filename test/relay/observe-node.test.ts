// observe-node as the relay runs it: the probes of `doctor` over real files and sockets, and keys tried on the lab's MAAS.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { observeNode } from '../../relay/commands/observe-node.ts';
import { readConfig } from '../../relay/config.ts';
import { type Check, diagnose, type Reach } from '../../relay/doctor.ts';
import { AccountAccess, type BodyOf } from '../../shared/command.ts';
import { CHECK_DETAIL_MAX, NODE_CHECKS } from '../../shared/node-check.ts';
import { err, ok } from '../../shared/result.ts';
import { clientOver } from '../relay-maas/lab-site.ts';
import { ACCOUNT, commandOf } from './commands.ts';
import { handlerContext } from './handler-context.ts';

const account = AccountAccess.parse(ACCOUNT);
const body: BodyOf<'observe-node'> = { verb: 'observe-node', accounts: [account] };
const SECRET = 'token34';

type Status = { readonly status: number; readonly body: string };
/** A MAAS that answers every call so. */
const maasThat = (answer: Status) =>
  clientOver({
    endpoint: account.endpoint,
    apiKey: `consumer12:${SECRET}:secret56`,
    transport: async () => ok({ ...answer, headers: {} }),
  });

async function look(answer: Status, found: readonly Check[] = []) {
  const reached: Reach[] = [];
  const context = handlerContext(commandOf(body), maasThat(answer));
  const looked = await observeNode(async (further) => {
    reached.push(...further);
    return found;
  })(body, context);
  if (!looked.ok) throw new Error(looked.error.code);
  return { checks: looked.value.checks, reached, changes: context.changes };
}

test('[N8] a key that MAAS takes, refuses, or can’t be tried; nothing is changed and no secret told', async () => {
  const user = JSON.stringify({ username: 'slipway', is_superuser: false });
  const taken = await look({ status: 200, body: user });
  expect(taken.checks).toMatchObject([
    { name: 'maas key', status: 'ok', detail: expect.stringContaining('user slipway') },
  ]);
  expect(taken.reached).toEqual([{ endpoint: account.endpoint, caBundlePem: null }]);
  const refused = await look({ status: 401, body: `no consumer ${SECRET}` });
  expect(refused.checks).toMatchObject([{ status: 'failed', detail: expect.stringContaining('MAAS_UNAUTHORIZED') }]);
  const broken = await look({ status: 200, body: '<html>' });
  expect(broken.checks).toMatchObject([{ status: 'skipped', todo: '' }]);
  expect(JSON.stringify([taken, refused, broken])).not.toMatch(/token34|secret56/);
  expect(taken.changes).toEqual([]);
});

test('[N8] a MAAS that the site forbids is neither reached nor tried', async () => {
  const context = handlerContext(commandOf(body), maasThat({ status: 200, body: '{}' }));
  const reached: Reach[] = [];
  const forbidden = {
    ...context,
    maas: async () => err({ code: 'SITE_FORBIDS' as const, detail: 'not allowed here' }),
  };
  const looked = await observeNode(async (further) => {
    reached.push(...further);
    return [];
  })(body, forbidden);
  expect(reached).toEqual([]);
  expect(looked).toMatchObject({ ok: true, value: { checks: [{ name: 'maas key', status: 'failed' }] } });
});

test('[N8] only checks of the closed list are told, cut to what a frame takes', async () => {
  const odd: Check = { name: 'a secret place', status: 'ok', detail: '', todo: '' };
  const long: Check = { name: 'dns', status: 'ok', detail: 'x'.repeat(2_000), todo: '' };
  const { checks } = await look({ status: 401, body: '' }, [odd, long]);
  expect(checks.map(({ name, detail }) => [name, detail.length <= CHECK_DETAIL_MAX])).toEqual([
    ['dns', true],
    ['maas key', true],
  ]);
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slipway-look-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('[N8] every check of doctor has a name of the closed list, and the disk is among them', async () => {
  const config = readConfig(null, { SLIPWAY_STATE_DIR: folder, SLIPWAY_CONSOLE: 'http://127.0.0.1:1' });
  if (!config.ok) throw new Error(JSON.stringify(config.error));
  const checks = await diagnose({ config: config.value, ca: [], siteAuthorities: null }, [
    { endpoint: account.endpoint, caBundlePem: null },
  ]);
  const names: readonly string[] = NODE_CHECKS;
  expect(checks.map(({ name }) => name).filter((name) => !names.includes(name))).toEqual([]);
  const of = (name: string) => checks.find((check) => check.name === name);
  expect(of('disk')).toMatchObject({ detail: expect.stringMatching(/^\d+ MiB free in /) });
  expect(of('maas')).toMatchObject({ status: 'failed', detail: expect.stringContaining(account.endpoint) });
  expect(of('console')).toMatchObject({ status: 'failed' });
});
