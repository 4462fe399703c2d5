// Tables, as kubectl asks for them: nodes, pods and workloads with their usual columns, everything else name and age.
import type { Json, JsonObject } from './json.ts';
import { isTerminating, labelsOf, list, nameOf, number, object, text } from './json.ts';
import { isReady } from './pod-object.ts';
import { nodeAddress } from './pods.ts';
import type { Resource } from './resources.ts';

type Column = {
  readonly name: string;
  readonly type?: string;
  readonly wide?: boolean;
  cell(value: JsonObject, nowMs: number): Json;
};

function age(value: JsonObject, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(text(value, 'metadata', 'creationTimestamp'))) / 1000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200)
    return `${Math.floor(seconds / 60)}m${seconds < 600 && seconds % 60 > 0 ? `${seconds % 60}s` : ''}`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

const NAME: Column = { name: 'Name', cell: nameOf };
const AGE: Column = { name: 'Age', cell: age };

function nodeStatus(node: JsonObject): string {
  const ready = text(
    list(node, 'status', 'conditions').find((condition) => text(condition, 'type') === 'Ready'),
    'status',
  );
  const told = ready === 'True' ? 'Ready' : ready === '' ? 'Unknown' : 'NotReady';
  return object(node, 'spec').unschedulable === true ? `${told},SchedulingDisabled` : told;
}

function nodeRoles(node: JsonObject): string {
  const roles = Object.keys(labelsOf(node))
    .map((key) => /^node-role\.kubernetes\.io\/(.+)$/.exec(key)?.[1])
    .filter((role) => role !== undefined);
  return roles.length === 0 ? '<none>' : roles.sort().join(',');
}

const info =
  (field: string) =>
  (node: JsonObject): string =>
    text(node, 'status', 'nodeInfo', field) || '<unknown>';

const podReady = (pod: JsonObject): string => {
  const total = list(pod, 'spec', 'containers').length;
  return `${isReady(pod) ? total : 0}/${total}`;
};
const podStatus = (pod: JsonObject): string => {
  if (isTerminating(pod)) return 'Terminating';
  const phase = text(pod, 'status', 'phase');
  return phase === 'Succeeded' ? 'Completed' : phase || 'Pending';
};

const count =
  (...path: string[]) =>
  (value: JsonObject): number =>
    number(value, ...path) ?? 0;

const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  nodes: [
    NAME,
    { name: 'Status', cell: nodeStatus },
    { name: 'Roles', cell: nodeRoles },
    AGE,
    { name: 'Version', cell: (node) => text(node, 'status', 'nodeInfo', 'kubeletVersion') },
    { name: 'Internal-IP', wide: true, cell: (node) => nodeAddress(node) || '<none>' },
    { name: 'External-IP', wide: true, cell: () => '<none>' },
    { name: 'OS-Image', wide: true, cell: info('osImage') },
    {
      name: 'Kernel-Version',
      wide: true,
      cell: (node) => `${info('kernelVersion')(node)} (${text(node, 'status', 'nodeInfo', 'architecture')})`,
    },
    { name: 'Container-Runtime', wide: true, cell: info('containerRuntimeVersion') },
  ],
  pods: [
    NAME,
    { name: 'Ready', cell: podReady },
    { name: 'Status', cell: podStatus },
    { name: 'Restarts', cell: () => '0' },
    AGE,
    { name: 'IP', wide: true, cell: (pod) => text(pod, 'status', 'podIP') || '<none>' },
    { name: 'Node', wide: true, cell: (pod) => text(pod, 'spec', 'nodeName') || '<none>' },
  ],
  deployments: [
    NAME,
    { name: 'Ready', cell: (one) => `${count('status', 'readyReplicas')(one)}/${count('spec', 'replicas')(one)}` },
    { name: 'Up-to-date', type: 'integer', cell: count('status', 'updatedReplicas') },
    { name: 'Available', type: 'integer', cell: count('status', 'availableReplicas') },
    AGE,
  ],
  daemonsets: [
    NAME,
    { name: 'Desired', type: 'integer', cell: count('status', 'desiredNumberScheduled') },
    { name: 'Current', type: 'integer', cell: count('status', 'currentNumberScheduled') },
    { name: 'Ready', type: 'integer', cell: count('status', 'numberReady') },
    AGE,
  ],
  namespaces: [NAME, { name: 'Status', cell: (one) => text(one, 'status', 'phase') }, AGE],
};

/** A meta.k8s.io/v1 Table of the objects. `metadata` is the list's own. */
export function renderTable(
  resource: Resource,
  objects: readonly JsonObject[],
  nowMs: number,
  metadata: JsonObject,
): JsonObject {
  const columns = COLUMNS[resource.plural] ?? [NAME, AGE];
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata,
    columnDefinitions: columns.map((column) => ({
      name: column.name,
      type: column.type ?? 'string',
      format: column.name === 'Name' ? 'name' : '',
      description: `${column.name}, as the lab's stand-in tells it`,
      priority: column.wide === true ? 1 : 0,
    })),
    rows: objects.map((value) => ({
      cells: columns.map((column) => column.cell(value, nowMs)),
      object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object(value, 'metadata') },
    })),
  };
}
