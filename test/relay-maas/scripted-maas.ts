// A MAAS client whose transport is a script: each test says what MAAS would answer and looks at what was asked.

import { createMaasClient, type MaasClient } from '../../relay/maas/client.ts';
import { createRegionGates, type RequestGate } from '../../relay/maas/request-gate.ts';
import type { MaasAnswer, MaasRequest, TransportFailure } from '../../relay/maas/transport.ts';
import type { Claim, ClaimParts } from '../../shared/claim.ts';
import { claimOf } from '../../shared/claim.ts';
import { ClusterId, GatewayId, SlotId, SystemId } from '../../shared/ids.ts';
import type { Result } from '../../shared/result.ts';

export const SECRET = 'sEcReTsEcReTsEcReTsEcReTsEcReT42';
export const TOKEN = 'tOkEnToKeNtOkEnToK';
export const CONSUMER = 'cOnSuMeRcOnSuMeRcO';
export const API_KEY = `${CONSUMER}:${TOKEN}:${SECRET}`;
export const NOW_MS = 1_795_341_720_000;

export type Asked = {
  readonly method: string;
  /** Below /MAAS/api/2.0/. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly form: URLSearchParams;
  readonly request: MaasRequest;
};
export type Script = (asked: Asked) => Result<MaasAnswer, TransportFailure>;

export const says = (status: number, body: unknown = '', headers: Record<string, string> = {}) => ({
  ok: true as const,
  value: { status, headers, body: typeof body === 'string' ? body : JSON.stringify(body) },
});
export const fails = (code: 'NEVER_SENT' | 'MAYBE_SENT' | 'ANSWER_TOO_LARGE', detail = 'no answer') => ({
  ok: false as const,
  error: { code, detail },
});

/** `users/?op=whoami` is answered as the plain user `slipway` unless the script is told to see it too. */
export function scriptedMaas(
  script: Script,
  {
    whoami = { username: 'slipway', is_superuser: false },
    gateOf = createRegionGates(() => NOW_MS),
  }: { whoami?: unknown; gateOf?: (endpoint: string) => RequestGate } = {},
) {
  const asked: Asked[] = [];
  const created = createMaasClient({
    endpoint: 'http://maas.test:5240/MAAS',
    apiKey: API_KEY,
    now: () => NOW_MS,
    random: numbers(),
    gateOf,
    transport: async (request) => {
      const url = new URL(request.url);
      const call = {
        method: request.method,
        path: url.pathname.replace('/MAAS/api/2.0/', ''),
        query: url.searchParams,
        form: new URLSearchParams(String(request.body ?? '')),
        request,
      };
      if (call.path === 'users/' && whoami !== null) return says(200, whoami);
      asked.push(call);
      return script(call);
    },
  });
  if (!created.ok) throw new Error(created.error.detail);
  const maas: MaasClient = created.value;
  return { maas, asked };
}

/** Numbers in [0, 1), different ones each time and the same ones each run. */
export function numbers(): () => number {
  let state = 1;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

export const aSystemId = (text: string): SystemId => SystemId.parse(text);
export const aClaim = (parts: Partial<ClaimParts> = {}): Claim =>
  claimOf({
    gatewayId: GatewayId.parse('gw_1'),
    clusterId: ClusterId.parse('clu_1'),
    slot: SlotId.parse('workers-0'),
    attempt: 1,
    ...parts,
  });

/** A machine as MAAS 3.7.3 was recorded to show it, cut to the keys that matter here. */
export function machineJson(over: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    system_id: 'bneq6n',
    hostname: 'w1',
    fqdn: 'w1.maas',
    status: 4,
    status_name: 'Ready',
    owner: null,
    owner_data: {},
    workload_annotations: {},
    zone: { id: 1, name: 'default', description: '' },
    pool: { id: 1, name: 'k8s', description: 'lab k8s' },
    tag_names: ['ssd', 'k8s-worker'],
    architecture: 'amd64/generic',
    cpu_count: 8,
    memory: 16384,
    storage: 500000.0,
    physicalblockdevice_set: [{ id: 2, name: 'sda', size: 500000000000, type: 'physical' }],
    boot_disk: { id: 2, name: 'sda', size: 500000000000 },
    ip_addresses: [],
    power_state: 'off',
    power_type: 'manual',
    locked: false,
    osystem: '',
    distro_series: '',
    error_description: '',
    a_key_of_a_later_version: { anything: true },
    ...over,
  };
}
