// WATCH: history first, then what happens, one JSON event a line, until the time is over or the client is gone.
import type { ServerResponse } from 'node:http';
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';
import type { Call } from './call.ts';
import { presented } from './call.ts';
import type { JsonObject } from './json.ts';
import { grow, namespaceOf } from './json.ts';
import { defaultNode } from './node-object.ts';
import { matcherOf, metadataOnly, shapeOf } from './reading.ts';
import { apiVersionOf, NODES } from './resources.ts';
import type { ApiFailure } from './status.ts';
import { gone, internal } from './status.ts';
import type { Change } from './store.ts';
import { renderTable } from './table.ts';

/** A real server picks 30–60 minutes. */
const DEFAULT_SECONDS = 1_800;

export type Watch = { stream(response: ServerResponse): void };

function bookmarkOf(call: Call, initialEventsEnd: boolean): JsonObject {
  const bookmark: JsonObject = {
    kind: call.resource.kind,
    apiVersion: apiVersionOf(call.resource),
    metadata: { resourceVersion: String(call.cluster.store.version()) },
  };
  if (initialEventsEnd) grow(bookmark, 'metadata').annotations = { 'k8s.io/initial-events-end': 'true' };
  if (call.resource.fields.includes('spec')) bookmark.spec = {};
  if (call.resource.fields.includes('status')) bookmark.status = {};
  if (call.resource === NODES) defaultNode(bookmark);
  return bookmark;
}

/** Checks a watch and makes it ready to stream. A too old version is not a failure: it is a 200 with an ERROR event. */
export function prepareWatch(call: Call): Result<Watch, ApiFailure> {
  const { store, options } = call.cluster;
  const query = call.request.query;
  const asked = query.get('resourceVersion') ?? '';
  if (asked !== '' && !/^\d+$/.test(asked)) {
    return err(
      internal(
        `resourceVersion: Invalid value: ${JSON.stringify(asked)}: strconv.ParseUint: parsing ${JSON.stringify(asked)}: invalid syntax`,
      ),
    );
  }
  const shape = shapeOf(call);
  if (!shape.ok) return shape;
  const matches = matcherOf(call);
  if (!matches.ok) return matches;
  const covers = (object: JsonObject): boolean =>
    (call.target.namespace === '' || !call.resource.namespaced || namespaceOf(object) === call.target.namespace) &&
    matches.value(object);
  const shown = (object: JsonObject): JsonObject => {
    const whole = presented(call.resource, object);
    if (shape.value === 'metadata') return metadataOnly(whole);
    return shape.value === 'table' ? renderTable(call.resource, [whole], options.clock.now(), {}) : whole;
  };
  const initial = query.get('sendInitialEvents') === 'true';
  const from = Number(asked);
  const bookmarks = query.get('allowWatchBookmarks') === 'true';

  function stream(response: ServerResponse): void {
    const send = (type: string, object: JsonObject): void => {
      response.write(`${JSON.stringify({ type, object })}\n`);
    };
    const sendChange = (change: Change): void => {
      if (change.resource !== call.resource && change.resource.plural !== call.resource.plural) return;
      if (change.resource.group !== call.resource.group || change.version <= from) return;
      const now = change.type !== 'DELETED' && covers(change.object);
      const before = change.before !== undefined && covers(change.before);
      if (now) send(before ? 'MODIFIED' : 'ADDED', shown(change.object));
      else if (before) send('DELETED', shown(change.object));
    };
    if (from > 0 && !initial && from < store.oldestVersion()) {
      const { body } = gone(`too old resource version: ${from} (${store.oldestVersion()})`);
      if (typeof body !== 'string') send('ERROR', body);
      response.end();
      return;
    }
    if (from === 0 || initial)
      for (const object of store.all(call.resource)) if (covers(object)) send('ADDED', shown(object));
    if (initial && bookmarks) send('BOOKMARK', bookmarkOf(call, true));
    if (from > 0 && !initial) for (const change of store.since(from)) sendChange(change);
    const unsubscribe = store.subscribe(sendChange);
    const seconds = Number(query.get('timeoutSeconds') ?? DEFAULT_SECONDS) || DEFAULT_SECONDS;
    // Real seconds, not the lab's: the time-out belongs to the connection.
    const timer = setTimeout(() => {
      if (bookmarks && !initial) send('BOOKMARK', bookmarkOf(call, false));
      response.end();
    }, seconds * 1000);
    timer.unref();
    response.on('close', () => {
      clearTimeout(timer);
      unsubscribe();
    });
  }

  return ok({ stream });
}
