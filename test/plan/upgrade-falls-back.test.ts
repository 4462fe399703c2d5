// A relay that runs its former program again: during an upgrade, and after the end.
import { expect, test } from 'vitest';
import { failed, MACHINES, node, OK, Scene } from './upgrade-scene.ts';

test('[U4] [UP5] a node that comes back with the older version stops it; so does one that says so after the end', () => {
  const scene = new Scene([node('a', { leader: true }), node('b')]);
  scene.step();
  scene.settle('b', OK);
  scene.see('b', { version: '0.2.0' });
  scene.step();
  scene.see('b', { version: '0.1.0' });
  expect(scene.step().state).toMatchObject({ stage: 'failed', failure: { code: 'RELEASE_ROLLED_BACK' } });
  const late = new Scene([node('a', { leader: true })]);
  late.step();
  late.see('a', { version: '0.2.0' });
  late.settle('a', OK);
  expect(late.step().state.stage).toBe('done');
  late.settle('a', failed('RELEASE_ROLLED_BACK'));
  expect(late.state).toMatchObject({ stage: 'failed', failure: { code: 'RELEASE_ROLLED_BACK' } });
});

test('[U4] [UP5] one that falls back while machines are changed stops it: who joins would be given the older program', () => {
  const scene = new Scene([node('a', { leader: true })], { machines: MACHINES });
  scene.hasMachines = true;
  scene.step();
  scene.see('a', { version: '0.2.0' });
  scene.settle('a', OK);
  expect(scene.step().state.stage).toBe('machines');
  scene.see('a', { version: '0.1.0' });
  expect(scene.step().state).toMatchObject({ stage: 'failed', failure: { code: 'RELEASE_ROLLED_BACK' } });
});
