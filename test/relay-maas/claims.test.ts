// Ruling 13.2: ours = owner is our user AND (agent_name filter OR annotation).
import { describe, expect, test } from 'vitest';
import { ensureAnnotated, findByClaim, isOurs, listOwned } from '../../relay/maas/claims.ts';
import { readMachine } from '../../relay/maas/machines.ts';
import { ProjectId, type Scope, TenantId } from '../../shared/ids.ts';
import { type Asked, aClaim, aSystemId, fails, machineJson, says, scriptedMaas } from './scripted-maas.ts';

const claim = aClaim();
const SCOPE: Scope = {
  tenantId: TenantId.parse('ten_1'),
  projectId: ProjectId.parse('prj_1'),
  jurisdiction: 'eu',
};
const annotated = { owner_data: { 'slipway.claim': claim } };

/** A region that filters as MAAS does, over machines with an agent_name that its JSON never shows. */
function region(machines: { json: Record<string, unknown>; agentName?: string }[]) {
  return ({ query }: Asked) => {
    const ids = query.getAll('id');
    const owner = query.get('owner');
    const agentName = query.get('agent_name');
    const found = machines.filter(
      ({ json, agentName: name }) =>
        (ids.length === 0 || ids.includes(String(json.system_id))) &&
        (owner === null || json.owner === owner) &&
        (agentName === null || name === agentName),
    );
    return says(
      200,
      found.map(({ json }) => json),
    );
  };
}
const held = (system_id: string, over: Record<string, unknown> = {}) =>
  machineJson({ system_id, status: 10, owner: 'slipway', ...over });

describe('looking by claim', () => {
  test('directly after allocate only agent_name tells', async () => {
    const { maas } = scriptedMaas(region([{ json: held('aaa111'), agentName: claim }, { json: held('bbb222') }]));
    expect(await findByClaim(maas, claim)).toMatchObject({
      value: [{ machine: { systemId: 'aaa111' }, byAgentName: true, byAnnotation: false }],
    });
  });
  test('after a refused release only the annotation tells', async () => {
    const { maas } = scriptedMaas(region([{ json: held('aaa111', annotated) }]));
    expect(await findByClaim(maas, claim)).toMatchObject({ value: [{ byAgentName: false, byAnnotation: true }] });
  });
  test('tells every machine under the claim, once', async () => {
    const machines = [
      { json: held('aaa111', annotated), agentName: claim },
      { json: held('bbb222'), agentName: claim },
    ];
    const found = await findByClaim(scriptedMaas(region(machines)).maas, claim);
    expect(found).toMatchObject({
      value: [
        { machine: { systemId: 'aaa111' }, byAgentName: true, byAnnotation: true },
        { machine: { systemId: 'bbb222' }, byAgentName: true, byAnnotation: false },
      ],
    });
  });
  test("never takes somebody else's machine, even with our claim on it (admin keys see those)", async () => {
    const machines = [
      { json: held('aaa111', { ...annotated, owner: 'alice' }), agentName: claim },
      { json: held('bbb222', { ...annotated, owner: null, status: 4 }), agentName: claim },
    ];
    // A MAAS that ignored the owner filter must not matter either.
    const ignoring = scriptedMaas(() =>
      says(
        200,
        machines.map(({ json }) => json),
      ),
    );
    expect(await findByClaim(ignoring.maas, claim)).toEqual({ ok: true, value: [] });
    expect(await listOwned(ignoring.maas)).toEqual({ ok: true, value: [] });
    expect(await findByClaim(scriptedMaas(region(machines)).maas, claim)).toEqual({ ok: true, value: [] });
  });
  test('of one attempt does not find the next one', async () => {
    const { maas } = scriptedMaas(region([{ json: held('aaa111', annotated), agentName: claim }]));
    expect(await findByClaim(maas, aClaim({ attempt: 2 }))).toEqual({ ok: true, value: [] });
    expect(await findByClaim(maas, aClaim({ attempt: 11 }))).toEqual({ ok: true, value: [] });
  });
  test('among candidates asks for those only', async () => {
    const { maas, asked } = scriptedMaas(region([]));
    await findByClaim(maas, claim, { systemIds: [aSystemId('aaa111'), aSystemId('bbb222')] });
    expect(asked.every(({ query }) => query.getAll('id').length === 2)).toBe(true);
  });
  test('fails rather than tell that there is none', async () => {
    for (const lost of [0, 1]) {
      let call = 0;
      const { maas } = scriptedMaas(() => (call++ === lost ? fails('MAYBE_SENT') : says(200, [])));
      expect(await findByClaim(maas, claim)).toMatchObject({ error: { code: 'MAAS_UNREACHABLE' } });
    }
  });
});

describe('the annotation', () => {
  const facts = async (over: Record<string, unknown>) => {
    const read = await readMachine(scriptedMaas(() => says(200, held('aaa111', over))).maas, aSystemId('aaa111'));
    if (!read.ok) throw new Error(read.error.detail);
    return read.value;
  };
  test('is written with the scope when it is absent', async () => {
    const { maas, asked } = scriptedMaas(() => says(200, held('aaa111', annotated)));
    const machine = await facts({});
    expect(isOurs(machine, claim, 'slipway')).toBe(false);
    const done = await ensureAnnotated(maas, machine, { claim, scope: SCOPE });
    expect(done.ok && isOurs(done.value, claim, 'slipway')).toBe(true);
    expect(Object.fromEntries(asked[0]?.form ?? [])).toEqual({
      'slipway.claim': claim,
      'slipway.scope': 'eu/ten_1/prj_1',
    });
  });
  test('costs no call when it is there', async () => {
    const { maas, asked } = scriptedMaas(() => says(500));
    expect((await ensureAnnotated(maas, await facts(annotated), { claim, scope: SCOPE })).ok).toBe(true);
    expect(asked).toEqual([]);
  });
  test('of another claim is never overwritten', async () => {
    const { maas, asked } = scriptedMaas(() => says(200, held('aaa111')));
    const other = await facts({ owner_data: { 'slipway.claim': aClaim({ attempt: 7 }) } });
    expect(await ensureAnnotated(maas, other, { claim, scope: SCOPE })).toMatchObject({
      error: { code: 'MAAS_CONFLICT' },
    });
    expect(asked).toEqual([]);
  });
});
