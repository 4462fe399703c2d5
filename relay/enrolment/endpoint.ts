// What the enrolment endpoint says to a machine (shared/enrolment.ts). Works while the tunnel is down: facts wait in the
// relay, and what was decided before can be fetched. No HTTP in here: serve.ts brings requests in.
//
//   token.ts                 what proves a machine's claim     turns.ts          documents held ready, machines waiting
//   serve.ts                 HTTPS and its bounds              fill-document.ts  secrets and facts put in
//   authority-number.ts      which authority a machine pins    ledger.ts         who came from where, who has its document
//   certificates.ts          one for each, renewed in time     endpoint-certificate.ts  how one is made and kept
//   relay-offer.ts           for the machines of the gateway's own: program, settings and pairing code of their relays
//   relays-told.ts           where the gateway's relays are now, for machines that were deployed before
//   site-slots.ts            proxy and authorities of the site, for every machine
import type { Claim } from '../../shared/claim.ts';
import { parseClaim } from '../../shared/claim.ts';
import { EnrolRequest, StepReport } from '../../shared/enrolment.ts';
import type { ClusterId, SystemId } from '../../shared/ids.ts';
import type { ClusterFact } from '../../shared/observation.ts';
import { err } from '../../shared/result.ts';
import { renderBootstrapScript } from '../bootstrap/render-bootstrap-script.ts';
import type { Log } from '../log.ts';
import type { Ports } from '../ports.ts';
import { fillDocument, pickNodeInterface } from './fill-document.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import type { MachineAnswer, MachineRequest } from './machine-request.ts';
import { createRateLimit, type RateLimit } from './rate-limit.ts';
import { redactLog } from './redact-log.ts';
import { type RelayOffer, relaySlots } from './relay-offer.ts';
import { relaysTold } from './relays-told.ts';
import { type Route, routeOf } from './route.ts';
import { NO_SITE_SLOTS, type SiteSlots } from './site-slots.ts';
import { type Enrolment, readToken } from './token.ts';
import type { Turn, Turns } from './turns.ts';

export type EndpointPorts = Pick<Ports, 'clock' | 'reach'>;

export type EndpointOptions = {
  readonly key: Uint8Array;
  readonly ledger: Ledger;
  readonly turns: Turns;
  readonly ports: EndpointPorts;
  readonly log: Log;
  readonly emit: (clusterId: ClusterId, fact: ClusterFact) => void;
  /** The addresses MAAS gives the machine, if they are known now and the site wants them checked; null: not checked. */
  readonly addressesOf: (systemId: SystemId) => readonly string[] | null;
  /** How long a machine is kept waiting for its turn. A standby relay, which gets no turns, answers at once. */
  readonly holdMs: () => number;
  /** `host:port` of this relay and the gateway's others. Absent: machines are told nothing of them. */
  readonly relays?: () => readonly string[];
  /** Absent: no machine of a gateway's own can be served. */
  readonly offer?: RelayOffer;
  /** Absent: the site has neither proxy nor authorities of its own. */
  readonly site?: SiteSlots;
};

/** Reports arrive late when the relay was away; a token is good for them and for the program an hour longer, and for nothing else. */
const LATE_MS = 3_600_000;
const LATE: ReadonlySet<Route> = new Set<Route>(['report', 'program']);
/** Forged tokens from one address. A machine with a right one never comes near. */
const REFUSALS_PER_MINUTE = 30;
/** Of one machine. A step that fails a hundred times at once is heard later. */
const REPORTS_PER_MINUTE = 120;

const NO_CONTENT: MachineAnswer = { status: 204 };
const say = (status: number, body: string): MachineAnswer => ({ status, body: `${body}\n`, contentType: 'text/plain' });

const NO_PROGRAM = 'no program is offered';
const UNTRUE = say(401, 'not a token of this gateway');

export type Endpoint = (request: MachineRequest) => Promise<MachineAnswer>;

/** Never throws for what a machine sends. */
export function createEndpoint(options: EndpointOptions): Endpoint {
  const now = () => options.ports.clock.now();
  const refusals = createRateLimit(REFUSALS_PER_MINUTE, now);
  const reports = createRateLimit(REPORTS_PER_MINUTE, now);
  const told = new Set<string>();
  return async (request) => {
    const found = routeOf(request.method, request.path);
    if (!found.ok) return say(found.error.status, found.error.why);
    const route = found.value;
    if (refusals.isSpent(request.source)) return say(429, 'too many forged tokens; wait a minute');
    const admitted = admit(options, request, route);
    if ('status' in admitted) {
      if (admitted === UNTRUE) refusals.take(request.source);
      options.log.warn('enrolment-refused', { source: request.source, path: request.path, why: admitted.body ?? '' });
      return admitted;
    }
    const answered = await answer(options, request, route, admitted, { reports, told });
    const relays = relaysTold(options.relays?.() ?? []);
    return relays === '' ? answered : { ...answered, relays };
  };
}

type Memory = { readonly reports: RateLimit; readonly told: Set<string> };

/** A token proves the claim; the address must be the one the machine first spoke from, and MAAS's if that is known. */
function admit(options: EndpointOptions, request: MachineRequest, route: Route): Enrolment | MachineAnswer {
  const read = request.token === null ? null : readToken(options.key, request.token);
  if (read === null || !read.ok) return UNTRUE;
  const enrolment = read.value;
  const until = enrolment.enrolUntil + (LATE.has(route) ? LATE_MS : 0);
  if (options.ports.clock.now() > until) return say(401, 'the token has ended');
  const entry = options.ledger.find(enrolment.claim);
  if (entry !== null && entry.address !== request.source) return say(403, 'the token is used by another address');
  const known = options.addressesOf(enrolment.systemId);
  if (known !== null && !known.includes(request.source)) return say(403, 'MAAS gives this machine no such address');
  return enrolment;
}

function answer(
  options: EndpointOptions,
  request: MachineRequest,
  route: Route,
  enrolment: Enrolment,
  memory: Memory,
): Promise<MachineAnswer> {
  switch (route) {
    case 'enrol':
      return enrol(options, request, enrolment, memory);
    case 'bootstrap':
      return bootstrap(options, request, enrolment, memory);
    case 'acknowledge':
      return acknowledge(options, request, enrolment);
    case 'report':
      return report(options, request, enrolment, memory);
    case 'program':
      return program(options, enrolment);
  }
}

const isOf = (said: { claim: Claim; systemId: SystemId }, enrolment: Enrolment): boolean =>
  said.claim === enrolment.claim && said.systemId === enrolment.systemId;

async function enrol(
  options: EndpointOptions,
  request: MachineRequest,
  enrolment: Enrolment,
  { told }: Memory,
): Promise<MachineAnswer> {
  const hello = EnrolRequest.safeParse(request.body);
  if (!hello.success) return say(400, 'not a hello');
  if (!isOf(hello.data, enrolment)) return say(403, 'not this machine');
  const before = options.ledger.find(enrolment.claim);
  const { interfaces } = hello.data;
  const entry: LedgerEntry = {
    ...enrolment,
    address: request.source,
    interfaces,
    acknowledgedAt: before?.acknowledgedAt ?? null,
  };
  if (JSON.stringify(before) !== JSON.stringify(entry)) await options.ledger.put(entry);
  options.ports.reach('after-enrolment-kept');
  tellOnce(options, told, { kind: 'enrolled', ...subjectOf(enrolment), address: request.source });
  return NO_CONTENT;
}

async function bootstrap(
  options: EndpointOptions,
  request: MachineRequest,
  enrolment: Enrolment,
  memory: Memory,
): Promise<MachineAnswer> {
  const { ledger, turns, ports } = options;
  const entry = ledger.find(enrolment.claim);
  if (entry === null) return say(404, 'say hello first');
  if (entry.acknowledgedAt !== null) return say(410, 'already fetched');
  const turn = await turns.arrived(enrolment.claim, options.holdMs(), request.signal);
  if (turn === null) return NO_CONTENT;
  if (turn.systemId !== enrolment.systemId) return say(403, 'not this machine');
  if (ledger.find(enrolment.claim)?.acknowledgedAt !== null) return say(410, 'already fetched');
  const nodeInterface = pickNodeInterface(
    entry.interfaces,
    turn.document.nodeSubnet,
    entry.address,
    turn.virtualAddress,
  );
  if (nodeInterface === null) {
    tellOnce(options, memory.told, outsideSubnet(turn, entry));
    return NO_CONTENT;
  }
  const { document, identity, systemId, mintJoinToken } = turn;
  const { virtualAddress } = turn;
  const { destination: reached = '', serverName = '' } = request;
  const machine = { claim: turn.claim, address: nodeInterface.address, virtualAddress, reached, serverName };
  const filled = await turns.filled(turn, ports.clock.now(), () =>
    fillDocument(document, {
      ...{ identity, systemId, nodeInterface, mintJoinToken, site: options.site ?? NO_SITE_SLOTS },
      relaySlots: async () =>
        options.offer === undefined ? err({ detail: NO_PROGRAM }) : relaySlots(options.offer, machine),
    }),
  );
  if (!filled.ok) {
    // The API server it is to join, or the console, is away for now. Its turn stays; it asks again.
    options.log.warn('document-not-filled', { claim: enrolment.claim, detail: filled.error.detail });
    return say(503, 'not now');
  }
  ports.reach('before-bootstrap-served');
  options.log.info('document-served', { claim: enrolment.claim, source: request.source });
  return request.wantsJson
    ? { status: 200, body: JSON.stringify(filled.value), contentType: 'application/json' }
    : { status: 200, body: renderBootstrapScript(filled.value), contentType: 'text/x-shellscript' };
}

function outsideSubnet(turn: Turn, entry: LedgerEntry): Extract<ClusterFact, { kind: 'step' }> {
  const has = entry.interfaces.map((one) => `${one.name} ${one.address}`).join(', ');
  const log = `no interface has an address in ${turn.document.nodeSubnet}; the machine has ${has}`.slice(0, 2_000);
  return { kind: 'step', ...subjectOf(turn), step: 'node-address', outcome: 'failed', attempt: 1, exitCode: null, log };
}

/** Which machine asks does not matter: the program is no secret, and a machine runs it only with a document. */
async function program({ offer, log }: EndpointOptions, { claim }: Enrolment): Promise<MachineAnswer> {
  if (offer === undefined) return say(404, NO_PROGRAM);
  const offered = await offer.program();
  if (offered.ok) return { status: 200, program: offered.value };
  log.warn('program-not-offered', { claim, detail: offered.error.detail });
  return say(503, 'not now');
}

async function acknowledge(
  options: EndpointOptions,
  request: MachineRequest,
  enrolment: Enrolment,
): Promise<MachineAnswer> {
  await endFetch(options, entryOf(options, request, enrolment));
  return NO_CONTENT;
}

/** Who has its document may have said hello to another relay, or to this one while its disk was full, and does not say it again. */
function entryOf({ ledger }: EndpointOptions, { source }: MachineRequest, enrolment: Enrolment): LedgerEntry {
  const unknown = { address: source, interfaces: [{ name: 'unknown', address: source }], acknowledgedAt: null };
  return ledger.find(enrolment.claim) ?? { ...enrolment, ...unknown };
}

/** Once only, and on disk before anybody is told: from here on nobody gets this document again. */
async function endFetch(options: EndpointOptions, entry: LedgerEntry): Promise<void> {
  if (entry.acknowledgedAt !== null) return;
  const at = options.ports.clock.now();
  options.ports.reach('before-fetch-kept');
  await options.ledger.put({ ...entry, acknowledgedAt: at });
  options.emit(clusterOf(entry.claim), { kind: 'document-fetched', ...subjectOf(entry) });
  options.turns.acknowledge(entry.claim, at);
  options.ports.reach('after-bootstrap-served');
}

async function report(
  options: EndpointOptions,
  request: MachineRequest,
  enrolment: Enrolment,
  { reports }: Memory,
): Promise<MachineAnswer> {
  const told = StepReport.safeParse(request.body);
  if (!told.success) return say(400, 'not a report');
  if (!isOf(told.data, enrolment)) return say(403, 'not this machine');
  if (!reports.take(enrolment.claim)) return say(429, 'too many reports; send it again later');
  const { step, outcome, attempt, exitCode, log } = told.data;
  // Who reports a step has the document, even if the acknowledgement was lost.
  await endFetch(options, entryOf(options, request, enrolment));
  options.emit(clusterOf(enrolment.claim), {
    kind: 'step',
    ...subjectOf(enrolment),
    step,
    outcome,
    attempt,
    exitCode,
    log: redactLog(log),
  });
  return NO_CONTENT;
}

const subjectOf = ({ claim, systemId }: { claim: Claim; systemId: SystemId }) => ({ claim, systemId });

/** A machine says hello in a loop; the edge hears of it once, and again from a restarted relay. */
function tellOnce(options: EndpointOptions, told: Set<string>, fact: Extract<ClusterFact, { claim: Claim }>): void {
  const text = JSON.stringify(fact);
  if (told.has(text)) return;
  if (told.size >= TOLD_MAX) told.clear();
  told.add(text);
  options.emit(clusterOf(fact.claim), fact);
}

const TOLD_MAX = 10_000;

function clusterOf(claim: Claim): ClusterId {
  const parts = parseClaim(claim);
  if (parts === null) throw new Error('a claim that was parsed has no parts');
  return parts.clusterId;
}
