// Gateways: a name, a pairing code, and from then on what the gateway's object says.
import { z } from 'zod';
import { GatewayCreate, GatewayView } from '../../shared/gateway-view.ts';
import { type EpochMs, GatewayId, randomPart } from '../../shared/ids.ts';
import { PAIRING_CODE_MS } from '../../shared/limits.ts';
import { makePairingCode, PairingCode } from '../../shared/pairing.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { randomBytes } from '../clock.ts';
import { type Env, gatewayOf } from '../env.ts';
import { isRecipient } from '../seal-secret.ts';
import { commandSigner } from '../sign-command.ts';
import {
  addGateway,
  beginGatewayRemoval,
  findGateway,
  type GatewayRow,
  listGateways as listGatewayRows,
  setPairingCode,
} from '../store/gateways.ts';
import { tellNewGateway } from '../tell-release.ts';
import { askObject, callObject } from './call-object.ts';
import { PageQuery, pageOf, readPage } from './page.ts';
import { fieldFailure } from './parse-failure.ts';
import { PROJECT_ADMINS, READERS } from './roles.ts';
import { defineRoute, Nothing } from './route.ts';
import { sha256 } from './sha256.ts';

export const OneGateway = z.strictObject({ gatewayId: GatewayId });
const NewCode = { pairingCode: PairingCode, pairingCodeExpiresAt: z.int() };
export const GatewayCreated = z.strictObject({ ...GatewayView.shape, ...NewCode });
export const PairingCodeMade = z.strictObject(NewCode);

/** Named in a problem that says what is in the way. */
export const CLUSTERS_NAMED_MAX = 50;

export const createGateway = defineRoute(
  {
    method: 'POST',
    path: '/v1/gateways',
    summary: 'Make a gateway and its one-time pairing code, shown in this answer only',
    roles: PROJECT_ADMINS,
    params: Nothing,
    query: Nothing,
    body: GatewayCreate,
    answers: { 201: GatewayCreated },
    problems: ['GATEWAY_NAME_TAKEN', 'UNAVAILABLE'],
  },
  async ({ env, catalogue, principal, body, now }) => {
    if (body.recoveryKey !== undefined && !(await isRecipient(body.recoveryKey)))
      return err(fieldFailure('recoveryKey', 'is no X25519 public key'));
    const id = GatewayId.parse(`gw_${randomPart(randomBytes(20))}`);
    const row: GatewayRow = { scope: principal.scope, id, name: body.name, createdAt: now };
    const code = await newCode(env, now);
    if (!(await addGateway(catalogue, row, code.hash))) return err(apiFailure('GATEWAY_NAME_TAKEN'));
    const view = await createObject(env, row, code, body.recoveryKey);
    if (!view.ok) {
      // Nothing to resume: the code was never shown. The name is given back, so that the caller may simply repeat.
      await beginGatewayRemoval(catalogue, principal.scope, id, now);
      return view;
    }
    await tellNewGateway(env, catalogue, row);
    const body201 = { ...view.value, ...shown(code) };
    return ok({ status: 201, body: body201, headers: { location: `/v1/gateways/${id}` } });
  },
);

export const listGateways = defineRoute(
  {
    method: 'GET',
    path: '/v1/gateways',
    summary: 'List gateways',
    roles: READERS,
    params: Nothing,
    query: PageQuery,
    body: Nothing,
    answers: { 200: pageOf(GatewayView) },
    problems: ['CURSOR_INVALID'],
  },
  async ({ env, catalogue, principal, query }) => {
    const page = await readPage(
      query,
      (wanted) => listGatewayRows(catalogue, principal.scope, wanted),
      (row) => row,
    );
    if (!page.ok) return page;
    const items = await Promise.all(page.value.items.map((row) => viewOrGuess(env, row)));
    return ok({ status: 200, body: { items, nextCursor: page.value.nextCursor } });
  },
);

export const getGateway = defineRoute(
  {
    method: 'GET',
    path: '/v1/gateways/{gatewayId}',
    summary: 'One gateway, as its tunnel is at this moment',
    roles: READERS,
    params: OneGateway,
    query: Nothing,
    body: Nothing,
    answers: { 200: GatewayView },
    problems: ['UNAVAILABLE'],
  },
  async ({ env, catalogue, principal, params }) => {
    const row = await findGateway(catalogue, principal.scope, params.gatewayId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    const view = await callObject(() => gatewayOf(env, row.scope, row.id).view());
    return view.ok ? ok({ status: 200, body: view.value ?? guess(row, 'unpaired') }) : view;
  },
);

export const renewPairingCode = defineRoute(
  {
    method: 'POST',
    path: '/v1/gateways/{gatewayId}/pairing-code',
    summary: 'A new one-time pairing code, also for a further relay; an earlier unused one ends',
    roles: PROJECT_ADMINS,
    params: OneGateway,
    query: Nothing,
    body: Nothing,
    answers: { 201: PairingCodeMade },
    problems: ['UNAVAILABLE'],
  },
  async ({ env, catalogue, principal, params, now }) => {
    const row = await findGateway(catalogue, principal.scope, params.gatewayId);
    if (row === null) return err(apiFailure('NOT_FOUND'));
    const code = await newCode(env, now);
    const object = () => gatewayOf(env, row.scope, row.id);
    const renewed = await askObject(() => object().renewPairingCode(code.hash, code.expiresAt));
    if (!renewed.ok) return renewed;
    await setPairingCode(catalogue, row.scope, row.id, code.hash);
    return ok({ status: 201, body: shown(code) });
  },
);

type Code = { readonly code: PairingCode; readonly hash: string; readonly expiresAt: EpochMs };

async function newCode(env: Env, now: EpochMs): Promise<Code> {
  const { fingerprint } = await commandSigner(env);
  const code = makePairingCode(randomBytes(20), fingerprint);
  return { code, hash: await sha256(code), expiresAt: now + PAIRING_CODE_MS };
}

const shown = (code: Code) => ({ pairingCode: code.code, pairingCodeExpiresAt: code.expiresAt });

function createObject(
  env: Env,
  row: GatewayRow,
  code: Code,
  recoveryKey: string | undefined,
): Promise<Result<GatewayView, ApiFailure>> {
  const creation = { scope: row.scope, gatewayId: row.id, name: row.name, recoveryKey };
  return callObject(() =>
    gatewayOf(env, row.scope, row.id).create({ ...creation, codeHash: code.hash, codeExpiresAt: code.expiresAt }),
  );
}

/** A list is answered even when one object is not. */
async function viewOrGuess(env: Env, row: GatewayRow): Promise<GatewayView> {
  const view = await callObject(() => gatewayOf(env, row.scope, row.id).view());
  return view.ok ? (view.value ?? guess(row, 'unpaired')) : guess(row, 'disconnected');
}

function guess(row: GatewayRow, phase: 'unpaired' | 'disconnected'): GatewayView {
  const message = 'The gateway’s object gave no answer; the catalogue knows no more than the name.';
  const unknown = { type: 'Readable', status: 'Unknown' as const, reason: 'NoAnswer', message };
  return {
    id: row.id,
    name: row.name,
    type: 'maas',
    phase,
    createdAt: row.createdAt,
    nodes: [],
    sealingKey: null,
    recovery: null,
    outstandingCommands: 0,
    machines: null,
    ...{ version: null, availableUpgrade: null, upgrade: null, queuedClusters: 0 },
    conditions: [{ ...unknown, lastTransition: row.createdAt, evidence: null }],
  };
}
