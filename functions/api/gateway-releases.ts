// Releases of what runs on gateways: published by whoever holds the deployment's secret, listed for everybody who reads, and
// fetched by relays. What a release is and who signs it: shared/release.ts.

import { z } from 'zod';
import { RELEASE_TOLD_MAX } from '../../shared/limits.ts';
import { type ApiFailure, apiFailure } from '../../shared/problem.ts';
import {
  ProgramPlatform,
  programKey,
  type ReleaseManifest,
  ReleaseVersion,
  ReleaseView,
  readManifest,
  SignedRelease,
} from '../../shared/release.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { verifyText } from '../sign-command.ts';
import { addRelease, findRelease, listReleases, type PublishedRelease } from '../store/releases.ts';
import { tellGateways } from '../tell-release.ts';
import { PageQuery, pageOf, readPage } from './page.ts';
import { READERS } from './roles.ts';
import { type Context, definePublicRoute, defineRoute, Nothing } from './route.ts';
import { setupSecretFailure } from './setup.ts';

export const publishRelease = definePublicRoute(
  {
    method: 'POST',
    path: '/v1/gateway-releases',
    summary:
      'Publish a signed release whose programs are stored; the same again changes nothing. Gateways are told of it',
    access: 'setup-secret',
    params: Nothing,
    query: Nothing,
    body: SignedRelease,
    answers: { 200: ReleaseView, 201: ReleaseView },
    problems: [
      'SETUP_SECRET_WRONG',
      'RATE_LIMITED',
      'RELEASES_NOT_CONFIGURED',
      'RELEASE_SIGNATURE_INVALID',
      'RELEASE_MANIFEST_INVALID',
      'RELEASE_PROGRAM_MISSING',
      'RELEASE_EXISTS',
    ],
  },
  async (call) => {
    const { env, catalogue, body: release, now: publishedAt } = call;
    const refused = await setupSecretFailure(call);
    if (refused !== null) return err(refused);
    const manifest = await trusted(call, release);
    if (!manifest.ok) return manifest;
    const { version } = manifest.value;
    const added = await addRelease(catalogue, version, { release, publishedAt });
    if (added === 'exists') return err(apiFailure('RELEASE_EXISTS'));
    await tellGateways(env, catalogue, RELEASE_TOLD_MAX);
    const kept = added === 'same' ? await findRelease(catalogue, version) : { release, publishedAt };
    return ok({ status: added === 'same' ? 200 : 201, body: viewOf(kept ?? { release, publishedAt }) });
  },
);

export const listGatewayReleases = defineRoute(
  {
    method: 'GET',
    path: '/v1/gateway-releases',
    summary: 'List releases of what runs on gateways, the newest version first',
    roles: READERS,
    params: Nothing,
    query: PageQuery,
    body: Nothing,
    answers: { 200: pageOf(ReleaseView) },
    problems: ['CURSOR_INVALID'],
  },
  async ({ catalogue, query }) => {
    const page = await readPage(
      query,
      (wanted) => listReleases(catalogue, wanted),
      ({ rank }) => ({ createdAt: rank, id: 'release' }),
    );
    if (!page.ok) return page;
    const { items, nextCursor } = page.value;
    return ok({ status: 200, body: { items: items.map(viewOf), nextCursor } });
  },
);

export const getRelayProgram = definePublicRoute(
  {
    method: 'GET',
    path: '/v1/relay-programs/{version}/{platform}',
    summary: 'The program of a published release; its digest is in the release',
    access: 'public',
    params: z.strictObject({ version: ReleaseVersion, platform: ProgramPlatform }),
    query: Nothing,
    body: Nothing,
    answers: { 200: z.string() },
    streams: 'application/octet-stream',
    problems: ['RELEASE_UNKNOWN'],
  },
  async ({ env, catalogue, params: { version, platform } }) => {
    const row = await findRelease(catalogue, version);
    const manifest = row === null ? null : readManifest(row.release);
    const program = manifest?.programs.find((one) => one.platform === platform);
    if (program === undefined) return err(apiFailure('RELEASE_UNKNOWN'));
    const stored = await env.RELEASES.get(programKey(version, platform));
    if (stored === null) throw new Error(`the program ${platform} of ${version} is published and not stored`);
    // One version has one content, so whoever holds it may keep it.
    const headers = {
      'content-length': String(stored.size),
      'cache-control': 'public, max-age=31536000, immutable',
    };
    return ok({ status: 200, stream: stored.body, headers });
  },
);

/** What is published only: signed by the key of this deployment, a manifest, and with every program stored in its size. */
async function trusted({ env }: Context, release: SignedRelease): Promise<Result<ReleaseManifest, ApiFailure>> {
  const key = env.RELEASE_KEY;
  if (!key) return err(apiFailure('RELEASES_NOT_CONFIGURED'));
  if (!(await verifyText(key, release.manifest, release.signature)))
    return err(apiFailure('RELEASE_SIGNATURE_INVALID'));
  const manifest = readManifest(release);
  if (manifest === null) return err(apiFailure('RELEASE_MANIFEST_INVALID'));
  for (const { platform, sizeBytes } of manifest.programs) {
    const key = programKey(manifest.version, platform);
    const stored = await env.RELEASES.head(key);
    if (stored?.size === sizeBytes) continue;
    const found = stored === null ? 'is not there' : `has ${stored.size} bytes and not ${sizeBytes}`;
    return err(apiFailure('RELEASE_PROGRAM_MISSING', `${key} ${found}.`));
  }
  return ok(manifest);
}

function viewOf({ release, publishedAt }: PublishedRelease): ReleaseView {
  const manifest = readManifest(release);
  if (manifest === null) throw new Error('a published release is no manifest');
  const { v: _, ...rest } = manifest;
  return { ...rest, publishedAt };
}
