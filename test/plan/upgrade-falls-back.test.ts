// A relay that runs its former program again: during an upgrade, and after the end.
import { expect, test } from 'vitest';
import { failed, node, OK, Scene } from './upgrade-scene.ts';

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
