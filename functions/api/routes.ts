// Every route there is. Mounting (app.ts), the document (openapi.ts) and the test of every role start from this list.
import { z } from 'zod';
import { ApiKeyCreate, ApiKeyCreated, ApiKeyView, SetupResponse, WhoAmI } from '../../shared/api-key.ts';
import { ClusterPlan, ClusterPlanRequest } from '../../shared/cluster-plan.ts';
import { ClusterProfile } from '../../shared/cluster-profile.ts';
import { ClusterSpec } from '../../shared/cluster-spec.ts';
import { ClusterView } from '../../shared/cluster-view.ts';
import {
  AccountCreate,
  AccountUpdate,
  AccountView,
  GatewayCreate,
  GatewayUpdate,
  GatewayView,
  OrphanedGateway,
} from '../../shared/gateway-view.ts';
import { AccountFacts, InventoryFacts } from '../../shared/inventory.ts';
import { GatewayDiagnosis } from '../../shared/node-check.ts';
import { PairingChallenge, PairingChallengeRequest, PairingRequest, PairingResponse } from '../../shared/pairing.ts';
import { ProjectCreate, ProjectView } from '../../shared/project.ts';
import { RecoveryBundle } from '../../shared/recovery.ts';
import { ReleaseView, SignedRelease, UpgradeRequest } from '../../shared/release.ts';
import { ok } from '../../shared/result.ts';
import { createApiKey, listApiKeys, revokeApiKey } from './api-keys.ts';
import {
  createCloudAccount,
  deleteCloudAccount,
  getCloudAccount,
  getInventory,
  listCloudAccounts,
  updateCloudAccount,
  validateCloudAccount,
} from './cloud-accounts.ts';
import { streamEvents } from './cluster-events.ts';
import { planCluster, planNewCluster } from './cluster-plans.ts';
import {
  createClusterProfile,
  deleteClusterProfile,
  getClusterProfile,
  listClusterProfiles,
  ProfileCreate,
} from './cluster-profiles.ts';
import { createCluster, getCluster, getTimeline, listClusters } from './clusters.ts';
import { abortCluster, deleteCluster } from './end-cluster.ts';
import { diagnoseGateway } from './gateway-diagnostics.ts';
import { deleteGateway } from './gateway-end.ts';
import { deleteGatewayNode, getRecoveryBundle, resetGatewayKey } from './gateway-nodes.ts';
import { getRelayProgram, listGatewayReleases, publishRelease } from './gateway-releases.ts';
import { resizeGateway } from './gateway-size.ts';
import { cancelUpgrade, getGatewayTimeline, upgradeGateway } from './gateway-upgrade.ts';
import {
  createGateway,
  GatewayCreated,
  getGateway,
  listGateways,
  PairingCodeMade,
  renewPairingCode,
} from './gateways.ts';
import { createKubeconfig, Kubeconfig, KubeconfigRequest } from './kubeconfig.ts';
import { openApiDocument } from './openapi.ts';
import { challengePairing, pairRelay } from './pairing.ts';
import { createProject, listProjects } from './projects.ts';
import { definePublicRoute, Nothing, type Route } from './route.ts';
import { setUp } from './setup.ts';
import { getHealth, whoAmI } from './whoami.ts';

const NAMES = new Map<z.ZodType, string>(
  Object.entries({
    AccountCreate,
    AccountFacts,
    AccountUpdate,
    AccountView,
    ApiKeyCreate,
    ApiKeyCreated,
    ApiKeyView,
    ClusterPlan,
    ClusterPlanRequest,
    ClusterProfile,
    ClusterSpec,
    ClusterView,
    GatewayCreate,
    GatewayCreated,
    GatewayDiagnosis,
    GatewayUpdate,
    GatewayView,
    InventoryFacts,
    Kubeconfig,
    KubeconfigRequest,
    OrphanedGateway,
    PairingChallenge,
    PairingChallengeRequest,
    PairingCodeMade,
    PairingRequest,
    PairingResponse,
    ProfileCreate,
    ProjectCreate,
    ProjectView,
    RecoveryBundle,
    ReleaseView,
    SetupResponse,
    SignedRelease,
    UpgradeRequest,
    WhoAmI,
  }).map(([name, schema]) => [schema, name]),
);

const getOpenApi = definePublicRoute(
  {
    method: 'GET',
    path: '/v1/openapi.json',
    summary: 'This document',
    access: 'public',
    params: Nothing,
    query: Nothing,
    body: Nothing,
    answers: { 200: z.record(z.string(), z.json()) },
    problems: [],
  },
  async () => ok({ status: 200, body: documentOnce() }),
);

export const ROUTES: readonly Route[] = [
  getHealth,
  getOpenApi,
  setUp,
  whoAmI,
  createProject,
  listProjects,
  createApiKey,
  listApiKeys,
  revokeApiKey,
  createGateway,
  listGateways,
  getGateway,
  renewPairingCode,
  resizeGateway,
  diagnoseGateway,
  deleteGateway,
  deleteGatewayNode,
  resetGatewayKey,
  getRecoveryBundle,
  upgradeGateway,
  cancelUpgrade,
  getGatewayTimeline,
  publishRelease,
  listGatewayReleases,
  getRelayProgram,
  challengePairing,
  pairRelay,
  createCloudAccount,
  listCloudAccounts,
  getCloudAccount,
  updateCloudAccount,
  validateCloudAccount,
  deleteCloudAccount,
  getInventory,
  createClusterProfile,
  listClusterProfiles,
  getClusterProfile,
  deleteClusterProfile,
  createCluster,
  planNewCluster,
  planCluster,
  listClusters,
  getCluster,
  getTimeline,
  streamEvents,
  createKubeconfig,
  deleteCluster,
  abortCluster,
];

let made: ReturnType<typeof openApiDocument> | null = null;

/** Made at the first question: it takes longer than a start may. */
function documentOnce(): ReturnType<typeof openApiDocument> {
  made ??= openApiDocument(ROUTES, NAMES);
  return made;
}
