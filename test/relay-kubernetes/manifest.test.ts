import { expect, test } from 'vitest';
import { parseManifest } from '../../relay/kubernetes/manifest.ts';

const kindsOf = (text: string) => {
  const parsed = parseManifest(text);
  return parsed.ok ? parsed.value.map((object) => `${object.kind}/${object.metadata.name}`) : parsed.error;
};

test('reads several documents, lists inside, and puts namespaces and definitions first', () => {
  const text = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: cni, namespace: net}
---
# only a comment
---
apiVersion: v1
kind: List
items:
- {apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: things.example.org}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: cni, namespace: net}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: net}}
`;
  expect(kindsOf(text)).toEqual([
    'Namespace/net',
    'CustomResourceDefinition/things.example.org',
    'DaemonSet/cni',
    'ServiceAccount/cni',
  ]);
  expect(kindsOf('')).toEqual([]);
});

test("reads scalars as Go's YAML does", () => {
  const parsed = parseManifest(`
apiVersion: v1
kind: Thing
metadata: {name: x}
mode: 0644
plain: 10
hex: 0x10
flag: yes
other: off
on: 1
ports: 80:80
when: 2026-11-22
text: "0644"
nothing: ~
base: &base {a: 1}
merged: {<<: *base, b: 2}
`);
  expect(parsed).toMatchObject({
    ok: true,
    value: [
      {
        mode: 420,
        plain: 10,
        hex: 16,
        flag: true,
        other: false,
        true: 1,
        ports: '80:80',
        when: '2026-11-22',
        text: '0644',
        nothing: null,
        merged: { a: 1, b: 2 },
      },
    ],
  });
});

test('refuses with a sentence what is no manifest, and what would grow without bound', () => {
  expect(kindsOf('{')).toContain('1');
  expect(kindsOf('just text')).toContain('object 1');
  expect(kindsOf('{apiVersion: v1, kind: ConfigMap, metadata: {generateName: x}}')).toContain('name');
  expect(kindsOf('{apiVersion: "../v1", kind: ConfigMap, metadata: {name: x}}')).toContain('apiVersion');
  expect(kindsOf('{apiVersion: v1, kind: ConfigMap, metadata: {name: ".."}}')).toContain('name');
  expect(kindsOf('{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: ".."}}')).toContain('namespace');
  const laughs = ['a: &l0 [x,x,x,x,x,x,x,x,x,x]'];
  for (let level = 1; level < 9; level += 1) {
    laughs.push(`b${level}: &l${level} [${Array.from({ length: 10 }, () => `*l${level - 1}`).join(',')}]`);
  }
  expect(kindsOf(laughs.join('\n'))).toMatch(/alias|values/);
  expect(typeof kindsOf(`a: ${'['.repeat(200)}${']'.repeat(200)}`)).toBe('string');
});
