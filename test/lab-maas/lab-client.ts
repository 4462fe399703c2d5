// A bare MAAS client for the lab's own tests: signs, sends, gives back what came. Deliberately not the relay's.

import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { defaultInventory } from '../lab/inventory.ts';
import { type Lab, startLab } from '../lab/lab.ts';
import type { MachineDriver } from '../lab/machine-driver.ts';
import { idleDriver } from '../lab/machines/idle.ts';

export type Reply = {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly retryAfter: string | null;
};

/** Every wait of a machine in milliseconds, short enough for tests. */
export const FAST = { deployMs: 20, powerOnMs: 5, releaseMs: 20, eraseMs: 20, neverBootsMs: 20 } as const;

export type TestLab = Lab & {
  post(path: string, form?: Record<string, string>, key?: string): Promise<Reply>;
  get(path: string, key?: string): Promise<Reply>;
  statusOf(systemId: string): Promise<string>;
  /** Resolves when the machine is in the status; rejects after 5 s. */
  reached(systemId: string, status: string): Promise<void>;
};

type Options = {
  hostnames?: readonly string[];
  machines?: number;
  timings?: Record<string, number>;
  driver?: MachineDriver;
};

export async function startTestLab(options: Options = {}): Promise<TestLab> {
  const machines = options.machines ?? Math.max(2, options.hostnames?.length ?? 0);
  const inventory = defaultInventory({
    machines,
    hostnames: options.hostnames ?? [],
    timings: { ...FAST, ...options.timings },
  });
  const driver =
    options.driver ?? idleDriver({ now: () => Date.now(), recordDelay: () => undefined, log: () => undefined });
  const lab = await startLab({ inventory, driver });
  const send = (method: string, path: string, key: string, form?: Record<string, string>) =>
    call(lab.url, method, path, key, form);
  const statusOf = async (systemId: string): Promise<string> =>
    statusSchema.parse(JSON.parse((await send('GET', `machines/${systemId}/`, lab.adminKey)).text)).status_name;
  return {
    ...lab,
    post: (path, form = {}, key = lab.userKey) => send('POST', path, key, form),
    get: (path, key = lab.userKey) => send('GET', path, key),
    statusOf,
    reached: (systemId, status) =>
      waitUntil(async () => (await statusOf(systemId)) === status, `${systemId} to be ${status}`),
  };
}

const statusSchema = z.object({ status_name: z.string() });
const WAIT_MS_MAX = 5_000;
const POLL_MS = 5;

export async function waitUntil(holds: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const end = Date.now() + WAIT_MS_MAX;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${WAIT_MS_MAX} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Rejects when the connection breaks without an answer. */
async function call(
  url: string,
  method: string,
  path: string,
  key: string,
  form?: Record<string, string>,
): Promise<Reply> {
  const response = await fetch(`${url}/api/2.0/${path}`, {
    method,
    headers: { Authorization: authorization(key) },
    ...(form ? { body: new URLSearchParams(form) } : {}),
    signal: AbortSignal.timeout(WAIT_MS_MAX),
  });
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    text: await response.text(),
    retryAfter: response.headers.get('retry-after'),
  };
}

export function authorization(key: string): string {
  const [consumer, token, secret] = key.split(':');
  const seconds = Math.floor(Date.now() / 1_000);
  return `OAuth oauth_version="1.0", oauth_signature_method="PLAINTEXT", oauth_consumer_key="${consumer}", oauth_token="${token}", oauth_signature="%26${secret}", oauth_nonce="${randomUUID()}", oauth_timestamp="${seconds}"`;
}
