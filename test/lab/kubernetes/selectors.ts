// Label and field selectors, as queries and inside objects.
import type { Result } from '../../../shared/result.ts';
import { err, ok } from '../../../shared/result.ts';
import type { Json } from './json.ts';
import { dig, isObject, labelsOf, list, text, textMap } from './json.ts';
import type { ApiFailure } from './status.ts';
import { badRequest } from './status.ts';

export type Matcher = (value: Json) => boolean;

const KEY = '[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?';
const VALUE = '([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?';

function parseRequirement(part: string): Result<(labels: Record<string, string>) => boolean, ApiFailure> {
  const inSet = new RegExp(`^(${KEY})\\s+(in|notin)\\s+\\(([^)]*)\\)$`).exec(part);
  if (inSet !== null) {
    const [key, wanted] = [inSet[1] ?? '', (inSet[4] ?? '').split(',').map((value) => value.trim())];
    const negative = inSet[3] === 'notin';
    return ok((labels) => {
      const value = labels[key];
      return value === undefined ? negative : wanted.includes(value) !== negative;
    });
  }
  const equals = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`).exec(part);
  if (equals !== null) {
    const [key, operator, value] = [equals[1] ?? '', equals[3], equals[4] ?? ''];
    return ok((labels) => (operator === '!=' ? labels[key] !== value : labels[key] === value));
  }
  const present = new RegExp(`^(!?)\\s*(${KEY})$`).exec(part);
  if (present !== null) {
    const key = present[2] ?? '';
    return ok((labels) => Object.hasOwn(labels, key) !== (present[1] === '!'));
  }
  const strange = /[=!]=?(.)/.exec(part)?.[1] ?? part;
  return err(badRequest(`unable to parse requirement: found '${strange}', expected: identifier`));
}

/** `labelSelector=` of a query. An empty one matches everything. */
export function parseLabelSelector(query: string): Result<Matcher, ApiFailure> {
  const requirements: ((labels: Record<string, string>) => boolean)[] = [];
  for (const part of query.split(/,(?![^(]*\))/)) {
    if (part.trim() === '') continue;
    const parsed = parseRequirement(part.trim());
    if (!parsed.ok) return parsed;
    requirements.push(parsed.value);
  }
  return ok((value) => {
    const labels = labelsOf(value);
    return requirements.every((requirement) => requirement(labels));
  });
}

/** The field labels a real server knows for a kind; `metadata.name` and `metadata.namespace` are known for all. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  pods: ['spec.nodeName', 'spec.restartPolicy', 'spec.serviceAccountName', 'status.phase', 'status.podIP'],
  nodes: ['spec.unschedulable'],
  secrets: ['type'],
  namespaces: ['status.phase'],
  events: [
    'involvedObject.name',
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.uid',
    'reason',
    'type',
  ],
  jobs: ['status.successful'],
  certificatesigningrequests: ['spec.signerName'],
};

/** `fieldSelector=` of a query: only the fields a real server knows; others are 400. */
export function parseFieldSelector(query: string, plural: string): Result<Matcher, ApiFailure> {
  const requirements: Matcher[] = [];
  for (const part of query.split(',')) {
    if (part.trim() === '') continue;
    const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(part.trim());
    if (match === null) return err(badRequest(`invalid selector: '${part}'; can't understand '${part}'`));
    const [field, operator, wanted] = [match[1] ?? '', match[2], match[3] ?? ''];
    const known = field === 'metadata.name' || field === 'metadata.namespace' || FIELDS[plural]?.includes(field);
    if (known !== true) return err(badRequest(`field label not supported: ${field}`));
    requirements.push((value) => {
      const found = dig(value, ...field.split('.'));
      const told =
        found === undefined || found === null ? (field === 'spec.unschedulable' ? 'false' : '') : String(found);
      return (told === wanted) === (operator !== '!=');
    });
  }
  return ok((value) => requirements.every((requirement) => requirement(value)));
}

/** A LabelSelector inside an object (matchLabels, matchExpressions). An absent one matches nothing. */
export function matchesLabelSelector(selector: Json | undefined, labels: Record<string, string>): boolean {
  if (!isObject(selector)) return false;
  for (const [key, value] of Object.entries(textMap(dig(selector, 'matchLabels')))) {
    if (labels[key] !== value) return false;
  }
  for (const expression of list(selector, 'matchExpressions')) {
    const value = labels[text(expression, 'key')];
    const values = list(expression, 'values');
    const operator = text(expression, 'operator');
    if (operator === 'In' && (value === undefined || !values.includes(value))) return false;
    if (operator === 'NotIn' && value !== undefined && values.includes(value)) return false;
    if (operator === 'Exists' && value === undefined) return false;
    if (operator === 'DoesNotExist' && value !== undefined) return false;
  }
  return true;
}
