// What the server adds to an object and what it refuses in one: defaults and validation of the built-in kinds, by the
// recorded wording. Only the rules that were recorded or that a controller here relies on.

import type { Json, JsonObject } from './json.ts';
import { dig, equal, grow, isObject, labelsOf, list, nameOf, number, object, text, textMap, uidOf } from './json.ts';
import { defaultNode } from './node-object.ts';
import { defaultPodSpec } from './pod-object.ts';
import type { Resource } from './resources.ts';
import type { ApiFailure, FieldError } from './status.ts';
import { invalid } from './status.ts';

const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const LABEL_TEXT =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS_NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const DNS_NAME_TEXT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
/** Kinds whose names may hold colons and capitals, as `system:node:x` does. */
const FREE_NAMES = new Set(['clusterroles', 'clusterrolebindings', 'roles', 'rolebindings']);
/** A ConfigMap's or Secret's data together. */
const DATA_MAX_BYTES = 1_048_576;

function metadataErrors(resource: Resource, subject: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const name = nameOf(subject);
  if (name === '') errors.push({ field: 'metadata.name', problem: 'Required value: name or generateName is required' });
  else if (resource.plural === 'namespaces' && !DNS_LABEL.test(name)) {
    errors.push({ field: 'metadata.name', problem: `Invalid value: ${JSON.stringify(name)}: ${DNS_LABEL_TEXT}` });
  } else if (!FREE_NAMES.has(resource.plural) && !DNS_NAME.test(name)) {
    errors.push({ field: 'metadata.name', problem: `Invalid value: ${JSON.stringify(name)}: ${DNS_NAME_TEXT}` });
  }
  for (const value of Object.values(labelsOf(subject))) {
    if (!LABEL_VALUE.test(value))
      errors.push({ field: 'metadata.labels', problem: `Invalid value: ${JSON.stringify(value)}: ${LABEL_TEXT}` });
  }
  return errors;
}

function templateErrors(subject: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const replicas = number(subject, 'spec', 'replicas');
  if (replicas !== undefined && replicas < 0) {
    errors.push({ field: 'spec.replicas', problem: `Invalid value: ${replicas}: must be greater than or equal to 0` });
  }
  const labels = textMap(dig(subject, 'spec', 'template', 'metadata', 'labels'));
  const wanted = textMap(dig(subject, 'spec', 'selector', 'matchLabels'));
  if (Object.entries(wanted).some(([key, value]) => labels[key] !== value)) {
    errors.push({
      field: 'spec.template.metadata.labels',
      problem: `Invalid value: ${JSON.stringify(labels)}: \`selector\` does not match template \`labels\``,
    });
  }
  return errors;
}

function containerErrors(spec: Json | undefined, at: string): FieldError[] {
  const containers = list(spec, 'containers');
  if (containers.length === 0) return [{ field: `${at}.containers`, problem: 'Required value' }];
  return containers.flatMap((container, index) =>
    text(container, 'image') === '' ? [{ field: `${at}.containers[${index}].image`, problem: 'Required value' }] : [],
  );
}

function specErrors(resource: Resource, subject: JsonObject): FieldError[] {
  const template = dig(subject, 'spec', 'template', 'spec');
  switch (resource.plural) {
    case 'deployments':
    case 'daemonsets':
    case 'statefulsets':
    case 'replicasets':
      return [...templateErrors(subject), ...containerErrors(template, 'spec.template.spec')];
    case 'jobs': {
      const policy = text(template, 'restartPolicy');
      const wrong = policy !== 'Never' && policy !== 'OnFailure';
      const errors = containerErrors(template, 'spec.template.spec');
      if (wrong)
        errors.push({
          field: 'spec.template.spec.restartPolicy',
          problem: 'Required value: valid values: "OnFailure", "Never"',
        });
      return errors;
    }
    case 'pods':
      return containerErrors(dig(subject, 'spec'), 'spec');
    case 'configmaps':
    case 'secrets': {
      const size = [
        ...Object.values(object(subject, 'data')),
        ...Object.values(object(subject, 'binaryData')),
      ].reduce<number>((sum, value) => sum + (typeof value === 'string' ? value.length : 0), 0);
      return size > DATA_MAX_BYTES
        ? [{ field: '[]', problem: `Too long: may not be more than ${DATA_MAX_BYTES} bytes` }]
        : [];
    }
    default:
      return [];
  }
}

function changeErrors(resource: Resource, before: JsonObject, after: JsonObject): FieldError[] {
  if (resource.plural === 'nodes') {
    const had = text(before, 'spec', 'providerID');
    if (had !== '' && had !== text(after, 'spec', 'providerID')) {
      return [
        {
          field: 'spec.providerID',
          problem: 'Forbidden: node updates may not change providerID except from "" to valid',
        },
      ];
    }
  }
  const role = object(after, 'roleRef');
  if (resource.plural.endsWith('rolebindings') && !equal(role, object(before, 'roleRef'))) {
    const shown = { APIGroup: text(role, 'apiGroup'), Kind: text(role, 'kind'), Name: text(role, 'name') };
    return [{ field: 'roleRef', problem: `Invalid value: ${JSON.stringify(shown)}: cannot change roleRef` }];
  }
  if (before.immutable === true && !equal(before.data, after.data)) {
    return [{ field: 'data', problem: 'Forbidden: field is immutable when `immutable` is set' }];
  }
  return [];
}

/** Refuses what a real server refuses; undefined when there is nothing to say. `before` for changes. */
export function validate(
  resource: Resource,
  subject: JsonObject,
  before: JsonObject | undefined,
): ApiFailure | undefined {
  const errors = [...metadataErrors(resource, subject), ...specErrors(resource, subject)];
  if (before !== undefined) errors.push(...changeErrors(resource, before, subject));
  return errors.length === 0 ? undefined : invalid(resource.kind, resource.group, nameOf(subject), errors);
}

function defaultTemplate(subject: JsonObject): JsonObject {
  const spec = grow(subject, 'spec');
  defaultPodSpec(grow(grow(spec, 'template'), 'spec'), true);
  return spec;
}

function defaultSecret(secret: JsonObject): void {
  for (const [key, value] of Object.entries(object(secret, 'stringData'))) {
    if (typeof value === 'string') grow(secret, 'data')[key] = Buffer.from(value).toString('base64');
  }
  delete secret.stringData;
  secret.type ??= 'Opaque';
}

function defaultJob(job: JsonObject): void {
  // Validated before defaults: a Job has no default for restartPolicy.
  const policy = text(job, 'spec', 'template', 'spec', 'restartPolicy');
  const spec = defaultTemplate(job);
  if (policy === '') delete grow(grow(spec, 'template'), 'spec').restartPolicy;
  Object.assign(spec, {
    parallelism: 1,
    completions: 1,
    manualSelector: false,
    completionMode: 'NonIndexed',
    suspend: false,
    podReplacementPolicy: 'TerminatingOrFailed',
    ...spec,
  });
  spec.backoffLimit ??= 6;
  const labels = {
    'batch.kubernetes.io/controller-uid': uidOf(job),
    'batch.kubernetes.io/job-name': nameOf(job),
    'controller-uid': uidOf(job),
    'job-name': nameOf(job),
  };
  if (uidOf(job) === '') return;
  Object.assign(grow(grow(job, 'metadata'), 'labels'), labels);
  Object.assign(grow(grow(grow(spec, 'template'), 'metadata'), 'labels'), labels);
  spec.selector ??= { matchLabels: { 'batch.kubernetes.io/controller-uid': uidOf(job) } };
}

function defaultService(service: JsonObject): void {
  const spec = grow(service, 'spec');
  spec.type ??= 'ClusterIP';
  spec.sessionAffinity ??= 'None';
  if (spec.clusterIP === undefined) {
    // A stable address in the default service subnet; nothing routes to it.
    const hash = [...`${nameOf(service)}`].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 60_000, 7);
    spec.clusterIP = `10.96.${(hash >> 8) + 1}.${hash & 255}`;
    spec.clusterIPs = [spec.clusterIP];
  }
  for (const port of list(spec, 'ports')) {
    if (!isObject(port)) continue;
    port.protocol ??= 'TCP';
    port.targetPort ??= port.port ?? 0;
  }
  service.status ??= { loadBalancer: {} };
}

const DEFAULTS: Readonly<Record<string, (subject: JsonObject) => void>> = {
  pods: (pod) => {
    defaultPodSpec(grow(pod, 'spec'), false);
    pod.status ??= { phase: 'Pending', qosClass: 'BestEffort' };
  },
  deployments: (deployment) => {
    const spec = defaultTemplate(deployment);
    spec.replicas ??= 1;
    spec.strategy ??= { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } };
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    deployment.status ??= {};
  },
  daemonsets: (set) => {
    const spec = defaultTemplate(set);
    spec.updateStrategy ??= { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } };
    spec.revisionHistoryLimit ??= 10;
    grow(grow(set, 'metadata'), 'annotations')['deprecated.daemonset.template.generation'] ??= '1';
    set.status ??= { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
  },
  replicasets: (set) => {
    defaultTemplate(set).replicas ??= 1;
    set.status ??= { replicas: 0 };
  },
  statefulsets: (set) => {
    const spec = defaultTemplate(set);
    spec.replicas ??= 1;
    spec.podManagementPolicy ??= 'OrderedReady';
    set.status ??= { replicas: 0, availableReplicas: 0 };
  },
  jobs: (job) => {
    defaultJob(job);
    job.status ??= {};
  },
  secrets: defaultSecret,
  namespaces: (namespace) => {
    grow(grow(namespace, 'metadata'), 'labels')['kubernetes.io/metadata.name'] = nameOf(namespace);
    grow(namespace, 'spec').finalizers ??= ['kubernetes'];
    namespace.status ??= { phase: 'Active' };
  },
  nodes: defaultNode,
  poddisruptionbudgets: (budget) => {
    budget.status ??= { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  },
  services: defaultService,
  customresourcedefinitions: (definition) => {
    const spec = grow(definition, 'spec');
    spec.conversion ??= { strategy: 'None' };
    const names = grow(spec, 'names');
    names.singular ??= text(names, 'kind').toLowerCase();
    names.listKind ??= `${text(names, 'kind')}List`;
    const stored = list(spec, 'versions').filter((version) => dig(version, 'storage') === true);
    definition.status ??= {
      conditions: null,
      acceptedNames: { plural: '', kind: '' },
      storedVersions: stored.map((version) => text(version, 'name')),
    };
  },
};

/** Fills in what the server fills in. Writes into `subject`; may be repeated. */
export function applyDefaults(resource: Resource, subject: JsonObject): void {
  if (!resource.custom) DEFAULTS[resource.plural]?.(subject);
}
