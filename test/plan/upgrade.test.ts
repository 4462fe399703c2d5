import { describe, expect, test } from 'vitest';
import { availableUpgrade, oldestVersion, upgradeRefusal } from '../../functions/plan/upgrade-offer.ts';
import { ended, type NodeFacts, type UpgradeState } from '../../functions/plan/upgrade-state.ts';
import { refusedByMachines } from '../../functions/plan/upgrade-step.ts';
import { upgradeWaits } from '../../functions/plan/upgrade-view.ts';
import {
  SHORTAGE_DEADLINE_MS,
  UPGRADE_HEARTBEAT_MS,
  UPGRADE_NODE_DEADLINE_MS,
  UPGRADE_TRIAL_MS,
  UPGRADE_WINDOW_AHEAD_MS_MAX,
} from '../../shared/limits.ts';
import { apiFailure } from '../../shared/problem.ts';
import { failed, MACHINES, MANIFEST, MINUTE, node, OK, Scene, START } from './upgrade-scene.ts';

describe('the relays of an upgrade', () => {
  test('[U5] [UP2] one at a time, standbys first and the leader last', () => {
    const scene = new Scene([node('a', { leader: true }), node('b'), node('c')]);
    const order: string[] = [];
    for (let turn = 0; turn < 3; turn += 1) {
      const { action } = scene.step();
      if (action?.kind !== 'exchange') throw new Error('no exchange');
      const name = action.nodeId.slice(4);
      order.push(name);
      expect(scene.step().action).toEqual(action);
      expect(scene.sentence).toContain(`the relay on ${name} to run 0.2.0`);
      scene.settle(name, OK);
      scene.see(name, { version: '0.2.0' });
    }
    expect(order).toEqual(['b', 'c', 'a']);
    expect(scene.step()).toMatchObject({ action: null, wakeAt: null, state: { stage: 'done', endedAt: START } });
    expect(scene.lines).toEqual([
      'Upgrade to 0.2.0 asked for by tester.',
      'The upgrade to 0.2.0 begins.',
      ...['b', 'c', 'a'].map((name) => `The relay on ${name} runs 0.2.0.`),
      'The gateway runs 0.2.0.',
    ]);
  });

  test('[UP2] who runs it already is passed over, and who was told goes on though the lead passes to it', () => {
    const scene = new Scene([node('a', { version: '0.3.0' }), node('b'), node('c', { leader: true })]);
    expect(scene.step().action).toMatchObject({ nodeId: 'nod_b' });
    scene.see('b', { leader: true });
    scene.see('c', { leader: false });
    expect(scene.step().action).toMatchObject({ nodeId: 'nod_b' });
  });

  test('[U2] [U5] [UP3] the hello of the new version ends no turn: what is still watched may be rolled back', () => {
    const scene = new Scene([node('a', { leader: true }), node('b')]);
    scene.step();
    scene.see('b', { connected: false });
    expect(scene.step().action).toMatchObject({ nodeId: 'nod_b' });
    expect(scene.sentence).toContain('not connected now');
    scene.see('b', { connected: true, version: '0.2.0' });
    expect(scene.step().action).toMatchObject({ nodeId: 'nod_b', attempt: 1 });
    expect(scene.sentence).toContain('may still be rolled back');
    scene.see('b', { version: '0.1.0' });
    expect(scene.step().state.stage).toBe('relays');
    scene.see('b', { version: '0.2.0' });
    scene.settle('b', OK);
    expect(scene.step().action).toMatchObject({ nodeId: 'nod_a' });
  });

  test('[UP3] something newer in a hello ends a turn; so does the version of who never answered, after 20 minutes', () => {
    const newer = new Scene([node('a', { leader: true })]);
    newer.step();
    newer.see('a', { version: '0.3.0' });
    expect(newer.step().state.stage).toBe('done');
    const mute = new Scene([node('a', { leader: true })]);
    mute.step();
    mute.see('a', { version: '0.2.0' });
    mute.now += UPGRADE_NODE_DEADLINE_MS - 1;
    expect(mute.step().state.stage).toBe('relays');
    mute.now += 1;
    expect(mute.step().state.stage).toBe('done');
  });

  test('[UP3] a turn has the time for a fetch, a trial and two watches of heartbeats', () => {
    expect(UPGRADE_NODE_DEADLINE_MS).toBeGreaterThan(UPGRADE_TRIAL_MS + 2 * UPGRADE_HEARTBEAT_MS + 10 * MINUTE);
  });

  test.each([['RELEASE_UNTRUSTED'], ['RELEASE_ROLLED_BACK'], ['DEADLINE_PASSED']] as const)(
    '[UP4] %s stops the upgrade, says what to do, and leaves the others',
    (code) => {
      const scene = new Scene([node('a', { leader: true }), node('b')]);
      scene.step();
      scene.settle('b', failed(code));
      expect(scene.state).toMatchObject({ stage: 'failed', failure: { code }, turn: null });
      expect(scene.state.failure?.message).toMatch(/b.*\(x\)\. [A-Z].*The other relays stay as they are\.$/);
      expect(scene.step()).toMatchObject({ action: null, wakeAt: null });
      expect(scene.lines.at(-1)).toContain(`failed: ${code}`);
    },
  );

  test('[UP4] a turn of 20 minutes is over, and at that moment it is looked at', () => {
    const scene = new Scene([node('a', { leader: true })]);
    expect(scene.step().wakeAt).toBe(START + UPGRADE_NODE_DEADLINE_MS);
    scene.now += UPGRADE_NODE_DEADLINE_MS - 1;
    expect(scene.step().state.stage).toBe('relays');
    scene.now += 1;
    expect(scene.step().state).toMatchObject({ stage: 'failed', failure: { code: 'DEADLINE_PASSED' } });
  });

  test('[UP4] a full disk is tried again, as the next attempt and within the same 20 minutes', () => {
    const scene = new Scene([node('a', { leader: true })]);
    scene.step();
    scene.settle('a', failed('RELAY_STORAGE'));
    expect(scene.step()).toMatchObject({ action: null, wakeAt: START + 2_000 });
    expect(scene.sentence).toContain('RELAY_STORAGE: x');
    scene.now += 2_000;
    const deadlineAt = START + UPGRADE_NODE_DEADLINE_MS;
    expect(scene.step().action).toEqual({ kind: 'exchange', nodeId: 'nod_a', attempt: 2, deadlineAt });
    scene.settle('a', OK, 1);
    expect(scene.state.exchanged).toEqual([]);
    scene.settle('a', OK, 2);
    scene.see('a', { version: '0.2.0' });
    expect(scene.step().state.stage).toBe('done');
  });

  test('[UP6] a node that is away is waited for by name, after those that are there and before the leader', () => {
    const scene = new Scene([node('a', { leader: true }), node('b', { connected: false }), node('c')]);
    expect(scene.step().action).toMatchObject({ nodeId: 'nod_c' });
    scene.settle('c', OK);
    scene.see('c', { version: '0.2.0' });
    expect(scene.step().action).toBeNull();
    expect(scene.sentence).toContain('the relay on b (nod_b) to connect, 0 of at most 20 minutes');
    scene.now += 5 * MINUTE;
    scene.see('b', { connected: true });
    expect(scene.step().action).toMatchObject({ nodeId: 'nod_b', deadlineAt: scene.now + UPGRADE_NODE_DEADLINE_MS });
  });

  test('[UP6] a node that stays away fails it after 20 minutes', () => {
    const scene = new Scene([node('a', { leader: true }), node('b', { connected: false })]);
    scene.step();
    scene.now += UPGRADE_NODE_DEADLINE_MS;
    expect(scene.step().state).toMatchObject({ stage: 'failed', failure: { code: 'RELAY_OFFLINE' } });
    expect(scene.state.failure?.message).toContain('on b');
  });
});

describe('the window of an upgrade', () => {
  const window = { startsAt: START + 10 * MINUTE, endsAt: START + 20 * MINUTE };

  test('[UP1] it begins when the window opens and not before', () => {
    const scene = new Scene([node('a', { leader: true })], { window });
    expect(scene.step()).toMatchObject({ action: null, wakeAt: window.startsAt, state: { stage: 'scheduled' } });
    expect(scene.sentence).toMatch(/^Waiting for the maintenance window, from 2027-01-15 08:10 UTC to .* UTC\.$/);
    scene.now = window.startsAt;
    expect(scene.step()).toMatchObject({ state: { stage: 'relays', startedAt: window.startsAt } });
  });

  test('[UP1] without a relay it does not begin, and a window that is over is missed', () => {
    const scene = new Scene([node('a', { connected: false })], { window });
    scene.now = window.startsAt;
    expect(scene.step()).toMatchObject({ wakeAt: window.endsAt, state: { stage: 'scheduled' } });
    expect(scene.sentence).toContain('Waiting for a relay of the gateway to connect');
    scene.now = window.endsAt;
    expect(scene.step().state).toMatchObject({ stage: 'missed', endedAt: window.endsAt });
    expect(scene.lines.at(-1)).toContain('was missed');
  });
});

describe('the machines of an upgrade', () => {
  const aScene = (): Scene => {
    const scene = new Scene([node('a', { leader: true, version: '0.2.0' })], { machines: MACHINES });
    scene.hasMachines = true;
    return scene;
  };

  test('[UP7] their cluster is asked until it has taken the order, and the end is that it runs again', () => {
    const scene = aScene();
    scene.machines = { phase: 'running', waitingOn: [] };
    expect(scene.step()).toMatchObject({
      state: { stage: 'machines' },
      action: { kind: 'change-machines', release: MACHINES },
    });
    scene.state = { ...scene.state, machinesAskedAt: scene.now };
    const wait = { code: 'shortage', slot: null, sentence: 'No machine is free.', since: START, deadlineAt: START * 2 };
    scene.machines = { phase: 'updating', waitingOn: [wait] };
    expect(scene.step()).toMatchObject({ action: null, state: { stage: 'machines' } });
    expect(upgradeWaits(scene.state, scene.facts, scene.now).map(({ code }) => code)).toEqual(['machines', 'shortage']);
    scene.machines = { phase: 'running', waitingOn: [] };
    expect(scene.step().state.stage).toBe('done');
  });

  test('[UP7] an order that is refused is asked again while its machines do not serve, and is the end otherwise', () => {
    const scene = aScene();
    scene.step();
    expect(refusedByMachines(scene.state, apiFailure('GATEWAY_NOT_HEALTHY'), scene.now)).toBe(scene.state);
    const skew = apiFailure('KUBERNETES_SKEW', 'Its machines run v1.34.0; v1.36.0 was asked for.');
    const failed = refusedByMachines(scene.state, skew, scene.now);
    expect(failed).toMatchObject({ stage: 'failed', endedAt: scene.now, failure: { code: 'KUBERNETES_SKEW' } });
    expect(failed.failure?.message).toMatch(
      /^The relays run the release.*v1\.36\.0 was asked for\)\. Upgrade to .*ahead\.$/,
    );
    const gone = refusedByMachines(scene.state, apiFailure('NOT_FOUND'), scene.now);
    expect(gone.failure).toMatchObject({ code: 'MACHINES_GONE' });
  });

  test('[UP7] a gateway without machines is done after its relays', () => {
    const scene = aScene();
    scene.hasMachines = false;
    expect(scene.step().state.stage).toBe('done');
  });

  test('[UP7] a day is the limit, and machines that are given back are the end', () => {
    const late = aScene();
    late.step();
    late.now += SHORTAGE_DEADLINE_MS;
    expect(late.step().state).toMatchObject({ stage: 'failed', failure: { code: 'MACHINES_LATE' } });
    const gone = aScene();
    gone.machines = { phase: 'deleting', waitingOn: [] };
    expect(gone.step().state).toMatchObject({ stage: 'failed', failure: { code: 'MACHINES_GONE' } });
  });
});

describe('what is offered and what is refused', () => {
  const running = { nodes: [node('a', { version: '0.2.0' }), node('b')], machines: null };
  const withMachines = { ...MANIFEST, machines: MACHINES };

  test('[UP8] the newest release is offered while one relay is older, and names that one', () => {
    expect(oldestVersion(running.nodes)).toBe('0.1.0');
    expect(availableUpgrade(MANIFEST, 7, running)).toEqual({
      ...{ from: '0.1.0', to: '0.2.0', severity: 'high', changes: ['Mends a leak.'], publishedAt: 7 },
    });
    const same = { nodes: [node('a', { version: '0.2.0' })], machines: null };
    expect(availableUpgrade(MANIFEST, 7, same)).toBeNull();
    expect(availableUpgrade({ ...MANIFEST, version: '0.10.0' }, 7, same)).toMatchObject({
      from: '0.2.0',
      to: '0.10.0',
    });
    expect(availableUpgrade(MANIFEST, 7, { nodes: [], machines: null })).toBeNull();
    expect(
      availableUpgrade(MANIFEST, 7, { nodes: [node('a', { version: 'from source' })], machines: null }),
    ).not.toBeNull();
  });

  test('[UP8] the same version is offered to machines that run something else', () => {
    const nodes = [node('a', { version: '0.2.0' })];
    expect(availableUpgrade(withMachines, 7, { nodes, machines: MACHINES })).toBeNull();
    expect(availableUpgrade(withMachines, 7, { nodes, machines: null })).toBeNull();
    expect(availableUpgrade(withMachines, 7, { nodes, machines: { ...MACHINES, image: 'old' } })).not.toBeNull();
    expect(availableUpgrade(withMachines, 7, { nodes, machines: 'unknown' })).not.toBeNull();
  });

  test('[UP9] what may not begin, by its code', () => {
    const { state } = new Scene(running.nodes);
    const refusal = (...[window, last, nodes]: [Window?, UpgradeState?, NodeFacts[]?]) =>
      upgradeRefusal(MANIFEST, window ?? null, { ...running, nodes: nodes ?? running.nodes }, last ?? null, START)
        ?.code;
    type Window = { startsAt: number; endsAt: number };
    expect(refusal()).toBeUndefined();
    expect(refusal(undefined, ended(state, 'failed', START))).toBeUndefined();
    expect(refusal(undefined, state)).toBe('UPGRADE_UNDER_WAY');
    expect(refusal({ startsAt: START + 2, endsAt: START + 2 })).toBe('WINDOW_INVALID');
    expect(refusal({ startsAt: START - 2, endsAt: START })).toBe('WINDOW_INVALID');
    const far = START + UPGRADE_WINDOW_AHEAD_MS_MAX + 1;
    expect(refusal({ startsAt: far, endsAt: far + 1 })).toBe('WINDOW_INVALID');
    const away = [node('a', { connected: false })];
    expect(refusal(undefined, undefined, away)).toBe('GATEWAY_NOT_RUNNING');
    expect(refusal({ startsAt: START + 1, endsAt: START + 2 }, undefined, away)).toBeUndefined();
    expect(refusal({ startsAt: START + 1, endsAt: START + 2 }, undefined, [])).toBe('GATEWAY_NOT_RUNNING');
    expect(refusal(undefined, undefined, [node('a', { version: '0.2.1' })])).toBe('UPGRADE_NOT_NEWER');
  });

  test('[UP10] the same state again adds no line', () => {
    const scene = new Scene([node('a', { leader: true })]);
    scene.step();
    const { length } = scene.lines;
    scene.now += MINUTE;
    scene.step();
    expect(scene.lines).toHaveLength(length);
  });
});
