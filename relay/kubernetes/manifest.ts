// Manifests: YAML of several documents, read as kubectl reads it, into objects in the order to apply them.
import {
  boolYaml11Tag,
  defineScalarTag,
  FAILSAFE_SCHEMA,
  floatCoreTag,
  intCoreTag,
  loadAll,
  mergeTag,
  nullCoreTag,
  Schema,
} from 'js-yaml';
import { z } from 'zod';
import type { Result } from '../../shared/result.ts';
import { err, ok } from '../../shared/result.ts';
import { reasonOf } from '../log.ts';
import type { KubernetesObject } from './kubernetes-api.ts';

const OBJECTS_MAX = 2_000;
const DEPTH_MAX = 64;
const ALIASES_MAX = 64;
/** Values in one manifest with its aliases written out: few bytes of YAML can name very many. */
const VALUES_MAX = 500_000;

/** Kubernetes reads YAML 1.1 as Go's library does: `yes` is true, `0644` is octal, and `80:80` is no number. */
const goInt = defineScalarTag<number>('tag:yaml.org,2002:int', {
  implicit: true,
  implicitFirstChars: [...'+-0123456789'],
  identify: (value) => Number.isInteger(value),
  resolve: (source, isExplicit, tagName) =>
    /^[-+]?0[0-7]+$/.test(source) ? Number.parseInt(source, 8) : intCoreTag.resolve(source, isExplicit, tagName),
});
const KUBERNETES_SCHEMA = new Schema([
  ...FAILSAFE_SCHEMA.tags,
  nullCoreTag,
  boolYaml11Tag,
  goInt,
  floatCoreTag,
  mergeTag,
]);

const ObjectForm = z.looseObject({
  apiVersion: z.string().regex(/^([a-z0-9]([a-z0-9.-]*[a-z0-9])?\/)?[a-z0-9]+$/),
  kind: z.string().regex(/^[A-Za-z0-9]+$/),
  metadata: z.looseObject({
    // What every kind forbids in a name: it becomes a part of a path.
    name: z.string().regex(/^(?!\.{1,2}$)[^/%\0]{1,253}$/),
    namespace: z
      .string()
      .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
      .optional(),
  }),
});
const ListForm = z.looseObject({ kind: z.string().endsWith('List'), items: z.array(z.unknown()) });

/** The objects of `text`, those first that others need: namespaces and definitions. The error is a sentence for the user. */
export function parseManifest(text: string): Result<readonly KubernetesObject[], string> {
  try {
    const documents = loadAll(text, { schema: KUBERNETES_SCHEMA, maxDepth: DEPTH_MAX, maxAliases: ALIASES_MAX });
    countValues(documents, { left: VALUES_MAX });
    const objects: KubernetesObject[] = [];
    for (const document of documents.flatMap(itemsOf)) {
      if (document === null || document === undefined) continue;
      const object = ObjectForm.safeParse(document);
      if (!object.success) return err(`object ${objects.length + 1}: ${z.prettifyError(object.error)}`);
      objects.push(object.data);
      if (objects.length > OBJECTS_MAX) return err(`more than ${OBJECTS_MAX} objects`);
    }
    return ok(objects.toSorted((a, b) => rankOf(a) - rankOf(b)));
  } catch (error) {
    return err(reasonOf(error));
  }
}

function itemsOf(document: unknown): unknown[] {
  const list = ListForm.safeParse(document);
  return list.success ? list.data.items : [document];
}

function countValues(value: unknown, budget: { left: number }): void {
  budget.left -= 1;
  if (budget.left < 0) throw new Error(`more than ${VALUES_MAX} values`);
  if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) countValues(one, budget);
}

const FIRST = ['Namespace', 'CustomResourceDefinition'];

function rankOf(object: KubernetesObject): number {
  const place = FIRST.indexOf(object.kind);
  return place < 0 ? FIRST.length : place;
}
