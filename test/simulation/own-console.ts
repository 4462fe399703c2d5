// The console of a gateway with machines of its own, as installers, machines and people reach it: pairing, and what the API does
// with a gateway. Routes of functions/api, without HTTP.
import { createHash } from 'node:crypto';
import type { ConsoleApi } from '../../relay/install/console-api.ts';
import type { PostJson } from '../../relay/pair.ts';
import type { ClusterId } from '../../shared/ids.ts';
import { makePairingCode, type PairingCode, PairingRequest, pairingText } from '../../shared/pairing.ts';
import { type ApiFailure, apiFailure, problemOf } from '../../shared/problem.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { COMMAND_KEY, type Edge, NOBODY, ORIGIN } from './edge.ts';
import type { Caller } from './object-host.ts';
import type { Random } from './prng.ts';
import type { Site } from './site.ts';
import { SiteCatalogue } from './site-catalogue.ts';
import { standInSign } from './stand-in-crypto.ts';
import { GATEWAY_ID, GATEWAY_NAME, SCOPE } from './world.ts';

export type MadeCode = { readonly code: PairingCode; readonly codeHash: string };

const CODE_MS = 86_400_000;
/** A stranger who found a used code tries it with a key of its own, within this time. */
const STRANGER_MS_MAX = 300_000;

const digest = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

export class OwnConsole {
  readonly #site: Site;
  readonly #edge: Edge;
  readonly #random: Random;
  readonly catalogue: SiteCatalogue;
  /** Who has won each code (I18). */
  readonly #winners = new Map<string, string>();

  constructor(site: Site, edge: Edge, random: Random) {
    this.#site = site;
    this.#edge = edge;
    this.#random = random;
    this.catalogue = new SiteCatalogue(site, edge);
  }

  makeCode(): MadeCode {
    const code = makePairingCode(this.#random.bytes(20), digest(Buffer.from(COMMAND_KEY, 'base64url')).subarray(0, 10));
    return { code, codeHash: digest(Buffer.from(code)).toString('base64url') };
  }

  /** Before anything goes wrong. */
  createGateway(): PairingCode {
    const { code, codeHash } = this.makeCode();
    const about = { scope: SCOPE, gatewayId: GATEWAY_ID, name: GATEWAY_NAME };
    this.#edge.atOnce((gateway) => gateway.create({ ...about, codeHash, codeExpiresAt: this.#edge.now() + CODE_MS }));
    return code;
  }

  /** The two routes of pairing. @param isCutOff whether the caller has no way to the console now */
  postFor(caller: Caller, isCutOff: () => boolean): PostJson {
    return async (url, body) => {
      const { network } = this.#site;
      const unreachable = err({ detail: 'no route to host (simulated)' });
      if (isCutOff()) {
        await new Promise<void>((resolve) => void caller.hear(network.between(5, 3_000), resolve));
        return unreachable;
      }
      const path = url.slice(ORIGIN.length);
      const asked = path === '/v1/pairing' ? this.#pair(caller, body) : this.#challenge(caller, body);
      return asked.then(
        (answer) => ok(answer.ok ? { status: 200, body: answer.value } : refusal(answer.error)),
        () => ok(refusal(apiFailure('UNAVAILABLE'))),
      );
    };
  }

  /** What an installer's API key is good for, of one gateway. */
  apiFor(caller: Caller): ConsoleApi {
    const never = async (): Promise<never> => {
      throw new Error('an installer asked the console for what it need not');
    };
    const gateway = async () => {
      const view = await this.#ask(caller, () =>
        this.#edge.gateway.call(caller, 'view', (logic) => logic.view()).then((found) => found ?? apiGone()),
      );
      if (!view.ok) return view;
      return view.value === 'gone' || this.catalogue.isGone ? gone() : ok(view.value);
    };
    return {
      ...{ whoAmI: never, createGateway: never, accountNamed: never, createAccount: never, gateway },
      gatewayNamed: async () => {
        const found = await gateway();
        return found.ok || found.error.problem !== 'NOT_FOUND' ? found : ok(null);
      },
      deleteGateway: () => this.#ask(caller, () => this.deleteGateway(caller)),
      newCode: () =>
        this.#ask(caller, async () => {
          const { code, codeHash } = this.makeCode();
          const until = this.#site.timeline.now + CODE_MS;
          await this.#edge.gateway.call(caller, 'code', (logic) => logic.renewPairingCode(codeHash, until));
          return { pairingCode: code };
        }),
    };
  }

  /** DELETE /v1/gateways/{id}. Rejects when something does not answer, or clusters of users are left. */
  async deleteGateway(caller: Caller): Promise<'gone' | 'deleting'> {
    if (this.catalogue.isGone) return 'gone';
    const { gateway } = this.#edge;
    if (await this.catalogue.query(caller, () => this.catalogue.beginRemoval())) {
      await gateway.call(caller, 'remove', (logic) => logic.remove());
      await this.catalogue.query(caller, () => this.catalogue.endRemoval());
      return 'gone';
    }
    if (!(await this.catalogue.query(caller, () => this.catalogue.beginDeletion())))
      throw new Error('GATEWAY_HAS_CLUSTERS');
    const asked = await gateway.call(caller, 'delete', (logic) => logic.requestDeletion('admin'));
    return asked.ok ? 'deleting' : 'gone';
  }

  /** PATCH /v1/gateways/{id}. Whether it was taken. */
  async resize(id: ClusterId, size: number): Promise<boolean> {
    const { host } = this.#edge.own(id);
    const nobody = NOBODY(this.#site);
    const view = await host.call(nobody, 'view', (logic) => logic.view());
    if (view?.phase !== 'running' && view?.spec.pools[0]?.size !== size) return false;
    return (await host.call(nobody, 'resize', (logic) => logic.resize(size))).ok;
  }

  async #ask<T>(caller: Caller, work: () => Promise<T>): ReturnType<typeof asked<T>> {
    // A person would look again in a moment.
    await new Promise<void>((resolve) => void caller.hear(1, resolve));
    return asked(work());
  }

  #challenge(caller: Caller, body: unknown) {
    const codeHash = PairingRequest.pick({ codeHash: true }).loose().parse(body).codeHash;
    return this.#edge.gateway.call(caller, 'challenge', (logic) => logic.pairingChallenge(codeHash, ORIGIN));
  }

  async #pair(caller: Caller, body: unknown) {
    const request = PairingRequest.parse(body);
    const paired = await this.#edge.gateway.call(caller, 'pair', async (logic) => {
      const answer = await logic.pair(request, ORIGIN);
      if (answer.ok) this.#won(request);
      return answer;
    });
    return paired;
  }

  /** I18: one code, one identity. A stranger who has the code too gets nothing for it any more. */
  #won(request: PairingRequest): void {
    const { codeHash, identityKey } = request;
    const before = this.#winners.get(codeHash);
    if (before !== undefined && before !== identityKey)
      this.#site.violate('I18', 'one pairing code made two identities');
    if (before !== undefined) return;
    this.#winners.set(codeHash, identityKey);
    this.#site.timeline.after(this.#random.between(1_000, STRANGER_MS_MAX), () => this.#strangerTries(request));
  }

  #strangerTries(known: PairingRequest): void {
    const { storage } = this.#edge.gateway;
    const [code] = storage.run('SELECT used_by FROM code WHERE code_hash = ?', known.codeHash);
    storage.commit();
    // The turn in which it was used was lost, or its machine is given back.
    if (code === undefined || code.used_by === null) return;
    const nobody = NOBODY(this.#site);
    const identityKey = Buffer.from(this.#random.bytes(32)).toString('base64url');
    const tries = async (): Promise<void> => {
      const challenge = await this.#edge.gateway.call(nobody, 'stranger', (logic) =>
        logic.pairingChallenge(known.codeHash, ORIGIN),
      );
      if (!challenge.ok) return;
      const other = { ...known, identityKey, nonce: challenge.value.nonce };
      const signature = standInSign(identityKey, pairingText(other, ORIGIN));
      const stolen = await this.#edge.gateway.call(nobody, 'stranger', (logic) =>
        logic.pair({ ...other, signature }, ORIGIN),
      );
      if (stolen.ok) this.#site.violate('I18', 'a code that was used let another identity in');
      else this.#site.faults.count('code-used-twice');
    };
    tries().catch(() => undefined);
  }
}

const refusal = ({ code, detail }: ApiFailure) => {
  const problem = problemOf(apiFailure(code, detail), '');
  return { status: problem.status, body: problem };
};

const apiGone = () => 'gone' as const;
const gone = () => err({ code: 'CONSOLE_REFUSED' as const, detail: 'it is gone', problem: 'NOT_FOUND' });

/** The failure as the installer's client tells it. */
async function asked<T>(
  work: Promise<T>,
): Promise<
  Result<T, { readonly code: 'CONSOLE_UNREACHABLE'; readonly detail: string; readonly problem: string | null }>
> {
  try {
    return ok(await work);
  } catch (error) {
    return err({ code: 'CONSOLE_UNREACHABLE', detail: String(error), problem: null });
  }
}
