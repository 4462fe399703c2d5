// The enrolment and bootstrap scripts, run for real against the real endpoint on loopback.
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createNodePorts } from '../../relay/adapters/node-ports.ts';
import { makeClusterIdentity } from '../../relay/bootstrap/cluster-identity.ts';
import { ensureBootstrap } from '../../relay/commands/bootstrap.ts';
import { createClusterDial } from '../../relay/kubernetes/connect.ts';
import type { BootstrapDocument } from '../../shared/bootstrap.ts';
import type { ClusterFact } from '../../shared/observation.ts';
import { CLAIM, contextFor, type EnrolmentBench, KEY, realPorts, SYSTEM_ID, speak, startBench } from './bench.ts';
import { aDocument, bootstrapBody } from './documents.ts';
import { layOutMachine, type Machine } from './machine.ts';

const identity = await makeClusterIdentity('berlin', Date.now());
const benches: EnrolmentBench[] = [];
const machines: Machine[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
  for (const machine of machines.splice(0)) await machine.remove();
});

async function relay(given: Parameters<typeof startBench>[0] = {}): Promise<EnrolmentBench> {
  const bench = await startBench(given);
  benches.push(bench);
  return bench;
}

async function machineOf(bench: EnrolmentBench, edit = (userData: string) => userData): Promise<Machine> {
  const order = { claim: CLAIM, systemId: SYSTEM_ID, enrolUntil: Date.now() + 3_600_000 };
  const userData = bench.userDataFor(order);
  const machine = await layOutMachine(edit(userData));
  machines.push(machine);
  return machine;
}

function give(bench: EnrolmentBench, document: BootstrapDocument) {
  const dial = createClusterDial(createNodePorts(() => {}).clock);
  const body = bootstrapBody(identity, document);
  return ensureBootstrap({ turns: bench.turns, ledger: bench.ledger, dial })(body, contextFor(body, realPorts()));
}

const stepsOf = (facts: readonly ClusterFact[]) =>
  facts.flatMap((fact) =>
    fact.kind === 'step' ? [`${fact.step} ${fact.outcome} ${fact.attempt} ${fact.exitCode}`] : [],
  );

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error('it did not come to pass within 15 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a machine', () => {
  test('enrols, waits for its turn, does every step with its retry, and leaves no secret behind', async () => {
    const bench = await relay();
    const machine = await machineOf(bench);
    const at = (path: string) => join(machine.folder, path);
    const document = aDocument({
      files: [
        { path: at('etc/kubernetes/pki/ca.key'), mode: '0600', content: '{{secret:ca-key}}' },
        {
          path: at("etc/odd name's/kubeadm.yaml"),
          mode: '0644',
          content: 'address: {{fact:node-address}}\n$(id) `id` "\\n"',
        },
      ],
      steps: [
        { name: 'prepare', script: 'echo preparing; command -v kubeadm >/dev/null', timeoutSeconds: 10 },
        {
          name: 'kubeadm-join',
          script: 'kubeadm join --config /etc/kubeadm.yaml',
          timeoutSeconds: 10,
          attempts: 3,
          beforeRetry: 'kubeadm reset -f || true',
        },
      ],
    });
    const { ended } = machine.start();
    await until(() => bench.facts.some((fact) => fact.kind === 'enrolled'));
    await writeFile(at('kubeadm-failures'), '1');
    const held = give(bench, document);
    expect(await ended).toBe(0);
    expect((await held).ok).toBe(true);

    expect(stepsOf(bench.facts)).toEqual([
      'bootstrap started 1 null',
      'prepare started 1 null',
      'prepare succeeded 1 0',
      'kubeadm-join started 1 null',
      'kubeadm-join failed 1 1',
      'kubeadm-join succeeded 2 0',
      'bootstrap succeeded 1 0',
    ]);
    const failed = bench.facts.find((fact) => fact.kind === 'step' && fact.outcome === 'failed');
    expect(failed).toMatchObject({ log: 'error: "quoted" \\ back\tslash red' });
    expect((await machine.calls()).filter((call) => call.startsWith('kubeadm'))).toEqual([
      'kubeadm join --config /etc/kubeadm.yaml',
      'kubeadm reset -f',
      'kubeadm join --config /etc/kubeadm.yaml',
    ]);
    expect(await machine.read('etc/kubernetes/pki/ca.key')).toBe(identity.ca.keyPem);
    expect((await stat(at('etc/kubernetes/pki/ca.key'))).mode & 0o777).toBe(0o600);
    expect((await stat(at('etc/kubernetes'))).mode & 0o777).toBe(0o755);
    expect(await machine.read("etc/odd name's/kubeadm.yaml")).toBe('address: 127.0.0.1\n$(id) `id` "\\n"');

    // Done is done, and neither the token nor the script is left on the machine.
    const calls = (await machine.calls()).length;
    expect((await machine.run('run')).status).toBe(0);
    expect((await machine.calls()).length).toBe(calls);
    for (const name of ['bootstrap', 'authorization', 'steps'])
      expect(await machine.read(`var/lib/slipway/${name}`)).toBeNull();
    const seen = (await machine.calls()).join('\n') + bench.logLines.join('\n') + JSON.stringify(bench.facts);
    expect(seen).not.toContain('PRIVATE KEY');
    expect(seen).not.toContain('Bearer');
    expect(seen).not.toMatch(/[A-Za-z0-9_-]{40,}\.[a-z2-7]{52}/);
  });

  test('stops at a step that fails for good, says which and why, and is not handed the document again', async () => {
    const bench = await relay();
    const machine = await machineOf(bench);
    const steps = [
      { name: 'slow', script: 'echo waiting; exec sleep 30', timeoutSeconds: 1 },
      { name: 'never', script: 'kubeadm join', timeoutSeconds: 5 },
    ];
    void give(bench, aDocument({ files: [], steps }));
    expect((await machine.run('run')).status).toBe(3);
    expect(stepsOf(bench.facts)).toEqual([
      'bootstrap started 1 null',
      'slow started 1 null',
      'slow failed 1 124',
      'bootstrap failed 1 124',
    ]);
    expect(bench.facts.at(-1)).toMatchObject({ log: 'waiting' });
    expect((await machine.calls()).some((call) => call.startsWith('kubeadm'))).toBe(false);
    // The same user-data on a machine that has lost its disk.
    const again = await machineOf(bench);
    expect(await again.run('run')).toMatchObject({ status: 3, output: expect.stringContaining('already') });
  });

  test('tells of the first and the last of many quick failures', async () => {
    const bench = await relay();
    const machine = await machineOf(bench);
    const steps = [{ name: 'reach', script: 'kubeadm reach; exit 7', timeoutSeconds: 5, attempts: 6 }];
    void give(bench, aDocument({ files: [], steps }));
    expect((await machine.run('run')).status).toBe(3);
    expect((await machine.calls()).filter((call) => call === 'kubeadm reach').length).toBe(6);
    expect(stepsOf(bench.facts).slice(1)).toEqual([
      'reach started 1 null',
      'reach failed 1 7',
      'reach failed 6 7',
      'bootstrap failed 1 7',
    ]);
  });

  test('waits for a relay that is away, and brings its reports when the relay is back', async () => {
    const first = await relay();
    const { port } = first;
    const machine = await machineOf(first);
    await first.close();
    const { ended } = machine.start();
    await until(async () => (await machine.calls()).some((call) => call.startsWith('curl')));

    const second = await relay({ files: first.files, port });
    const gate = join(machine.folder, 'go');
    const steps = [{ name: 'long', script: `until [ -e ${gate} ]; do sleep 0.1; done; echo done`, timeoutSeconds: 30 }];
    void give(second, aDocument({ files: [], steps }));
    await until(() => stepsOf(second.facts).includes('long started 1 null'));
    await second.close();
    await writeFile(gate, '');
    await until(async () => (await machine.read('var/lib/slipway/steps/0.done')) !== null);
    const third = await relay({ files: first.files, port });
    expect(await ended).toBe(0);
    expect(stepsOf(third.facts)).toEqual(['long succeeded 1 0', 'bootstrap succeeded 1 0']);
  });

  test('cut short, goes on where it was, with the clean-up of the step that was cut', async () => {
    const bench = await relay();
    const machine = await machineOf(bench);
    const key = { path: join(machine.folder, 'etc/pki/ca.key'), mode: '0600' as const, content: '{{secret:ca-key}}' };
    const steps = [
      { name: 'once', script: `kubeadm once; rm ${key.path}`, timeoutSeconds: 10 },
      {
        name: 'cut',
        script: 'kubeadm join; [ -e "$SLIPWAY_TEST/go" ] || sleep 60',
        timeoutSeconds: 100,
        beforeRetry: 'kubeadm reset',
      },
    ];
    void give(bench, aDocument({ files: [key], steps }));
    const { ended, kill } = machine.start();
    await until(async () => (await machine.calls()).includes('kubeadm join'));
    kill();
    await ended;
    await writeFile(join(machine.folder, 'go'), '');
    expect((await machine.run('run')).status).toBe(0);
    expect((await machine.calls()).filter((call) => call.startsWith('kubeadm'))).toEqual([
      'kubeadm once',
      'kubeadm join',
      'kubeadm reset',
      'kubeadm join',
    ]);
    expect(stepsOf(bench.facts).at(-1)).toBe('bootstrap succeeded 1 0');
    // [CP12] What a step removed is not placed again.
    expect(await machine.read('etc/pki/ca.key')).toBeNull();
  });

  test('tries the next relay when one is silent', async () => {
    const bench = await relay();
    const machine = await machineOf(bench, (text) => text.replace("RELAYS='", "RELAYS='127.0.0.1:9 "));
    void give(bench, aDocument({ files: [] }));
    expect((await machine.run('run')).status).toBe(0);
    expect(stepsOf(bench.facts).at(-1)).toBe('bootstrap succeeded 1 0');
  });

  test('trusts only the authority in its user-data', async () => {
    const [bench, impostor] = [await relay(), await relay()];
    const machine = await machineOf(bench, (text) =>
      text.replaceAll(`127.0.0.1:${bench.port}`, `127.0.0.1:${impostor.port}`),
    );
    const { kill, ended } = machine.start();
    await until(async () => (await machine.calls()).filter((call) => call.startsWith('curl')).length >= 2);
    kill();
    await ended;
    expect(impostor.facts).toEqual([]);
    const token = ((await machine.read('var/lib/slipway/authorization')) ?? '')
      .replace('Authorization: Bearer ', '')
      .trim();
    expect(token).not.toBe('');
    // The token itself is good: it was the certificate that the machine refused.
    const hello = { claim: CLAIM, systemId: SYSTEM_ID, interfaces: [{ name: 'eth0', address: '127.0.0.1' }] };
    expect((await speak(impostor, 'POST', '/v1/enrol', { token, body: hello })).status).toBe(204);
    expect(token).not.toContain(KEY.toString('hex'));
  });
});
