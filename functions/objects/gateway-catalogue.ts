// The catalogue as the object of a gateway needs it: its default account, the cluster that is its machines, and its end. The port,
// and its way into D1; accounts and clusters are made by the same functions as the API's.
import type { ClusterId, Scope } from '../../shared/ids.ts';
import type { DefaultAccount } from '../../shared/installation.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { now } from '../clock.ts';
import type { Env } from '../env.ts';
import { finishCreation, reserve } from '../make-cluster.ts';
import { overlapFailure } from '../overlapping-networks.ts';
import { type Catalogue, openCatalogue } from '../store/catalogue.ts';
import { type AccountRow, addAccount, findAccount, replaceAccount } from '../store/cloud-accounts.ts';
import { findCreation, type StoredCreation } from '../store/clusters.ts';
import { abandonGatewayClusters, beginGatewayRemoval, endGatewayRemoval } from '../store/gateways.ts';
import { unknownProject } from '../store/projects.ts';
import { tellClusters } from '../tell-clusters.ts';
import type { GatewayRecord } from './gateway-storage.ts';
import { within } from './within.ts';

/** Some D1 queries and one object: each has a limit of its own below. */
const CALL_MS_MAX = 30_000;

type Gateway = Pick<GatewayRecord, 'scope' | 'gatewayId'>;

/** All may be repeated. They throw when the catalogue or an object does not answer. */
export type GatewayCatalogue = {
  /** Makes the account, or changes it and tells its clusters. `ACCOUNT_NAME_TAKEN`, `PROJECT_NOT_FOUND`, `NOT_FOUND`, `UNAVAILABLE`. */
  putAccount(gateway: Gateway, account: DefaultAccount): Promise<Result<null, ApiFailure>>;
  /**
   * Reserves the cluster's name and makes its object, once for each id, under the account as it is now; a former cluster of
   * this gateway is over. `CLUSTER_NAME_TAKEN`, `CIDR_OVERLAP`, `ACCOUNT_NOT_FOUND`.
   */
  makeCluster(creation: StoredCreation): Promise<Result<null, ApiFailure>>;
  /** Gives the object a creation that was only reserved. False: there is none to be given. */
  finishCluster(scope: Scope, id: ClusterId): Promise<boolean>;
  /** Hides the gateway and drops its accounts. False while a cluster stands on it. */
  beginRemoval(gateway: Gateway): Promise<boolean>;
  /** The object has forgotten the gateway. */
  endRemoval(gateway: Gateway): Promise<void>;
};

export function gatewayCatalogue(env: Env): GatewayCatalogue {
  const db = openCatalogue(env.CATALOGUE);
  const timed = <T>(what: string, work: Promise<T>): Promise<T> => within(CALL_MS_MAX, what, work);
  return {
    putAccount: (gateway, account) => timed('putAccount', putAccount(env, db, gateway, account)),
    makeCluster: (creation) => timed('makeCluster', makeCluster(env, db, creation)),
    finishCluster: (scope, id) => timed('finishCluster', finishCluster(env, db, scope, id)),
    beginRemoval: ({ scope, gatewayId }) => timed('beginRemoval', beginGatewayRemoval(db, scope, gatewayId, now())),
    endRemoval: ({ scope, gatewayId }) => timed('endRemoval', endGatewayRemoval(db, scope, gatewayId)),
  };
}

async function putAccount(
  env: Env,
  db: Catalogue,
  { scope, gatewayId }: Gateway,
  wanted: DefaultAccount,
): Promise<Result<null, ApiFailure>> {
  const { name, access, facts } = wanted;
  const old = await findAccount(db, scope, access.accountId);
  const at = now();
  const unknown = await unknownProject(db, scope, typeof wanted.sharing === 'object' ? wanted.sharing.projects : []);
  if (unknown !== null) return err(apiFailure('PROJECT_NOT_FOUND', `There is no project ${unknown}.`));
  if (old === null) {
    const sharing = wanted.sharing ?? 'tenant';
    const row = { scope, sharing, access, name, gatewayId, facts, keyVersion: 1, validatedAt: at, createdAt: at };
    return accountWritten(await addAccount(db, row));
  }
  if (old.gatewayId !== gatewayId) return err(apiFailure('NOT_FOUND', 'The account is of another gateway.'));
  // What an admin shared since is not taken back by a file that says nothing of it.
  const shared = wanted.sharing ?? old.sharing;
  if (
    old.name === name &&
    JSON.stringify(old.sharing) === JSON.stringify(shared) &&
    JSON.stringify(old.access) === JSON.stringify(access)
  )
    return ok(null);
  const row: AccountRow = {
    ...old,
    sharing: shared,
    access,
    name,
    facts,
    keyVersion: old.keyVersion + 1,
    validatedAt: at,
  };
  const replaced = accountWritten(await replaceAccount(db, row, old.keyVersion));
  if (replaced.ok) await tellClusters(env, db, row);
  return replaced;
}

function accountWritten(written: Awaited<ReturnType<typeof addAccount>>): Result<null, ApiFailure> {
  switch (written) {
    case 'written':
      return ok(null);
    case 'name-taken':
      return err(apiFailure('ACCOUNT_NAME_TAKEN'));
    case 'gone':
      return err(
        apiFailure('UNAVAILABLE', 'The account or its gateway was changed by somebody else at the same moment.'),
      );
  }
}

async function makeCluster(env: Env, db: Catalogue, creation: StoredCreation): Promise<Result<null, ApiFailure>> {
  const { scope, clusterId, gatewayId, account } = creation;
  const kept = await findCreation(db, scope, clusterId);
  if (kept === null) return ok(null);
  if (kept !== undefined) {
    await finishCreation(env, db, kept);
    return ok(null);
  }
  const overlap = overlapFailure(creation.profile.layers);
  if (overlap !== null) return err(overlap);
  const row = await findAccount(db, scope, account.accountId);
  if (row === null) return err(apiFailure('ACCOUNT_NOT_FOUND'));
  await abandonGatewayClusters(db, { scope, gatewayId }, now(), clusterId);
  const reservation = { accountVersion: row.keyVersion, creationKey: null };
  const reserved = await reserve(db, { ...reservation, creation: { ...creation, account: row.access } }, now());
  if (!reserved.ok) return reserved;
  await finishCreation(env, db, reserved.value);
  return ok(null);
}

async function finishCluster(env: Env, db: Catalogue, scope: Scope, id: ClusterId): Promise<boolean> {
  const kept = await findCreation(db, scope, id);
  if (kept === null || kept === undefined) return false;
  await finishCreation(env, db, kept);
  return true;
}
