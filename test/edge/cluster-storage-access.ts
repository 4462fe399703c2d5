// Looking into the storage of a cluster's object, and breaking it, from a test.
import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { ClusterState } from '../../functions/plan/cluster-state.ts';
import { ClusterId, objectName, type Scope } from '../../shared/ids.ts';
import { SCOPE } from '../storage/command-samples.ts';
import { edgeEnv } from './fake-relay.ts';

export function clusterStub(id: string, scope: Scope = SCOPE): DurableObjectStub {
  return edgeEnv.CLUSTER.getByName(objectName(scope, ClusterId.parse(id)));
}

export async function storedState(id: string, scope: Scope = SCOPE): Promise<ClusterState> {
  return ClusterState.parse(JSON.parse(await inStorage(id, readText, scope)));
}

/** Changes the stored state behind the object's back, and makes it forget what it had in memory. */
export async function rewriteState(
  id: string,
  change: (state: ClusterState) => ClusterState,
  scope: Scope = SCOPE,
): Promise<void> {
  const text = JSON.stringify(change(await storedState(id, scope)));
  const write = ({ storage }: DurableObjectState): void => {
    storage.sql.exec('UPDATE state SET bytes = ? WHERE chunk = 0', new TextEncoder().encode(text));
  };
  await inStorage(id, write, scope);
  await evictDurableObject(clusterStub(id, scope));
}

/** Makes the object fail at whatever it is asked, as one with a bug does. */
export async function breakState(id: string): Promise<void> {
  await inStorage(id, ({ storage }) => {
    storage.sql.exec('ALTER TABLE state RENAME TO hidden');
  });
  await evictDurableObject(clusterStub(id));
}

export async function mendState(id: string): Promise<void> {
  await inStorage(id, ({ storage }) => {
    storage.sql.exec('ALTER TABLE hidden RENAME TO state');
  });
  await evictDurableObject(clusterStub(id));
}

export function armedAt(id: string): Promise<number | null> {
  return inStorage(id, ({ storage }) => storage.getAlarm());
}

export function tablesOf(id: string, scope: Scope = SCOPE): Promise<string[]> {
  const look = ({ storage }: DurableObjectState) =>
    storage.sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'")
      .toArray()
      .map(({ name }) => name)
      .filter((name) => !name.startsWith('_cf') && !name.startsWith('sqlite'));
  return inStorage(id, look, scope);
}

export function inStorage<R>(
  id: string,
  look: (state: DurableObjectState) => R | Promise<R>,
  scope: Scope = SCOPE,
): Promise<R> {
  return runInDurableObject(clusterStub(id, scope), (_instance, state) => look(state));
}

function readText({ storage }: DurableObjectState): string {
  return storage.sql
    .exec<{ text: string }>('SELECT CAST(bytes AS TEXT) AS text FROM state ORDER BY chunk')
    .toArray()
    .map(({ text }) => text)
    .join('');
}
