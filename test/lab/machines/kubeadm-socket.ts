// Where a namespaced machine's kubeadm shim asks the lab what kubeadm does: one socket in a folder that only this machine sees.
import { createServer } from 'node:http';
import { z } from 'zod';
import { type KubeadmRun, type MachineDisk, runKubeadm } from './kubeadm.ts';
import type { KubernetesHub } from './kubernetes-hub.ts';

const Call = z.object({ args: z.array(z.string()).max(50), files: z.record(z.string(), z.string()) });
const BODY_BYTES_MAX = 4_194_304;

export type KubeadmSocket = { close(): Promise<void> };

/** @param before spends the machine's own time for this verb */
export async function serveKubeadm(
  path: string,
  machine: { readonly systemId: string; readonly address: string },
  hub: KubernetesHub,
  before: (verb: string) => Promise<void>,
): Promise<KubeadmSocket> {
  const server = createServer((request, response) => {
    const answered = readAll(request).then((text) => answer(text));
    answered.then(
      (body) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  const answer = async (text: string): Promise<object> => {
    const call = Call.parse(JSON.parse(text));
    const verb = call.args[0] ?? '';
    await before(verb);
    const disk = recordingDisk(call.files);
    const done: KubeadmRun = await runKubeadm(call.args, { systemId: machine.systemId, disk }, hub);
    const isControlPlane = done.exitCode === 0 && disk.written['/etc/kubernetes/manifests/etcd.yaml'] !== undefined;
    return {
      ...done,
      written: disk.written,
      removed: disk.removed,
      etcdAddress: isControlPlane ? machine.address : null,
    };
  };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve());
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Shows the machine's files and notes what is to be done to them. */
function recordingDisk(
  files: Record<string, string>,
): MachineDisk & { written: Record<string, string>; removed: string[] } {
  const written: Record<string, string> = {};
  const removed: string[] = [];
  const isRemoved = (path: string): boolean => removed.some((one) => path === one || path.startsWith(`${one}/`));
  return {
    written,
    removed,
    read: (path) => written[path] ?? (isRemoved(path) ? null : (files[path] ?? null)),
    write: (path, content) => {
      written[path] = content;
    },
    remove: (path) => {
      removed.push(path);
      for (const one of Object.keys(written)) if (one === path || one.startsWith(`${path}/`)) delete written[one];
    },
  };
}

async function readAll(request: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) throw new Error('the shim sent too much');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
