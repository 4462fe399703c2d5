// The MAAS metadata service as a booting machine sees it (maas.md §11): attributes, user-data, vendor-data and the status
// webhook, signed with the machine's own token. Fetching user-data is what makes a machine Deployed.

import { ok, type Result } from '../../shared/result.ts';
import { userDataFetched } from './maas/boot.ts';
import { type Answer, bytes, html, noContent, notModelledAnswer, text, textBare } from './maas/http/answer.ts';
import { checkSignature, type NonceBook } from './maas/http/oauth-check.ts';
import type { LabRequest } from './maas/http/request.ts';
import { fqdnOf, type Machine } from './maas/machine.ts';
import { appendBounded, type Region } from './maas/region.ts';

export const METADATA_PREFIX = '/MAAS/metadata';

/** One event of cloud-init's reporting, as it came. */
export type MachineReport = { readonly atMs: number; readonly systemId: string; readonly report: unknown };

export type MetadataService = {
  readonly region: Region;
  readonly nonces: NonceBook;
  readonly reports: MachineReport[];
};

const VERSIONS = ['2012-03-01', 'latest'];
const VERSION_INDEX = 'maas-commissioning-scripts\nmeta-data\nuser-data';
const ATTRIBUTES = 'instance-id\nlocal-hostname\nvendor-data\nx509';

export function answerMetadata(service: MetadataService, request: LabRequest): Answer {
  const path = request.path.slice(METADATA_PREFIX.length).replace(/^\//, '');
  const preseed = /^[^/]+\/by-id\/([^/]+)\/$/.exec(path);
  if (preseed) return preseedAnswer(service, request, preseed[1] ?? '');
  // What an unknown host gets that has no token yet: the script that enlists it, not anybody's user-data.
  if (/^[^/]+\/user-data$/.test(path) && request.authorization === '') return textBare(200, ENLISTMENT);
  const signer = machineOf(service, request);
  if (!signer.ok) return signer.error;
  const status = /^status\/([^/]+)$/.exec(path);
  if (status) return takeReport(service, request, status[1] ?? '');
  if (request.method !== 'GET') return notModelledAnswer(`${request.method} of the metadata path ${path}`);
  return attribute(service.region, signer.value, path);
}

function attribute(region: Region, machine: Machine, path: string): Answer {
  if (path === '') return textBare(200, VERSIONS.join('\n'));
  const [version = '', word = '', ...rest] = path.split('/');
  if (!VERSIONS.includes(version)) return text(404, `Unknown metadata version: ${version}`);
  if (word === 'user-data') return userData(region, machine);
  if (word === 'maas-commissioning-scripts' || word.startsWith('maas-')) return notModelledAnswer(`metadata ${word}`);
  // Any other word shows the index of the version, vendor-data too: cloud-init asks for that under meta-data.
  if (word !== 'meta-data') return textBare(200, VERSION_INDEX);
  return metaData(machine, rest.join('/'));
}

function metaData(machine: Machine, item: string): Answer {
  switch (item) {
    case '':
      return textBare(200, ATTRIBUTES);
    case 'instance-id':
      return textBare(200, machine.systemId);
    case 'local-hostname':
      return textBare(200, fqdnOf(machine));
    case 'public-keys':
    case 'x509':
      return textBare(200, '');
    case 'vendor-data':
      return bytes('application/x-yaml; charset=utf-8', new TextEncoder().encode(VENDOR_DATA));
    default:
      return text(404, `Unknown metadata attribute: ${item}`);
  }
}

function userData(region: Region, machine: Machine): Answer {
  userDataFetched(region, machine);
  if (machine.userData === null) return text(404, 'No user data available for this node.');
  return bytes('application/octet-stream', machine.userData);
}

/** Any valid JSON is taken, even about another machine, and changes no status (maas.md §11). */
function takeReport(service: MetadataService, request: LabRequest, systemId: string): Answer {
  const body = request.rawBody.toString('utf8');
  try {
    const report: unknown = JSON.parse(body);
    appendBounded(service.reports, { atMs: service.region.ports.now(), systemId, report });
    return noContent();
  } catch {
    return { ...html(400, `Status payload is not valid JSON:\n${body}\n\n`), contentType: 'text/html' };
  }
}

/** Shown to whoever asks, token included: a hole of the real MAAS, and the reason for enrolment (maas.md §11). */
function preseedAnswer(service: MetadataService, request: LabRequest, systemId: string): Answer {
  if (request.query.get('op')?.at(-1) !== 'get_preseed')
    return notModelledAnswer('metadata by-id other than op=get_preseed');
  const machine = service.region.machines.get(systemId);
  if (!machine) return textBare(404, 'No Node matches the given query.');
  const { consumerKey, tokenKey, tokenSecret } = machine.metadataOauth;
  const keys = [`consumer_key: ${consumerKey}`, `token_key: ${tokenKey}`, `token_secret: ${tokenSecret}`];
  const base = `http://${request.host}${METADATA_PREFIX}`;
  const datasource = ['datasource:', '  MAAS:', `    metadata_url: ${base}/`, ...keys.map((line) => `    ${line}`)];
  const reporting = [
    'reporting:',
    '  maas:',
    `    endpoint: ${base}/status/${systemId}`,
    '    type: webhook',
    ...keys.map((line) => `    ${line}`),
  ];
  return textBare(200, ['#cloud-config', ...datasource, ...reporting, ''].join('\n'));
}

function machineOf(service: MetadataService, request: LabRequest): Result<Machine, Answer> {
  const signers = [...service.region.machines.values()].map((machine) => ({
    machine,
    consumerKey: machine.metadataOauth.consumerKey,
    tokenKey: machine.metadataOauth.tokenKey,
    secret: machine.metadataOauth.tokenSecret,
  }));
  const signed = {
    authorization: request.authorization,
    method: request.method,
    url: `http://${request.host}${request.path}`,
    query: request.query,
    nowMs: service.region.ports.now(),
  };
  const signer = checkSignature(signed, signers, service.nonces);
  return signer.ok ? ok(signer.value.machine) : signer;
}

/** What a site's vendor-data looks like: cloud-init may end in an error because of it, though user-data ran well. */
const VENDOR_DATA = 'cloud-init: "#cloud-config\\nntp:\\n  pools: []\\n  servers: []\\nsnap:\\n  commands: []\\n"\n';

const ENLISTMENT = [
  'Content-Type: multipart/mixed; boundary="lab"',
  'MIME-Version: 1.0',
  '',
  '--lab',
  'Content-Type: text/x-shellscript',
  '',
  '#!/bin/sh',
  "# The real MAAS serves 118 KB of enlistment script here; the lab's machines are enlisted already.",
  '--lab--',
  '',
].join('\n');
