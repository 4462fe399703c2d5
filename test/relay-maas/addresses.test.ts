// Virtual IPs against a small MAAS of names and reservations, with MAAS's traps: a second reserve of a name adds an address.
import { describe, expect, test } from 'vitest';
import { findAddress, releaseAddress, reserveAddress } from '../../relay/maas/addresses.ts';
import { type Asked, fails, type Script, says, scriptedMaas } from './scripted-maas.ts';

const FQDN = 'k8s-c1.lab.example';
const IP = '10.10.0.60';

function region(names: Record<string, string[]> = {}, ownIps: string[] = []) {
  const dns = new Map(Object.entries(names));
  const own = new Set(ownIps);
  const release = (ip: string) => {
    if (!own.delete(ip))
      return says(400, `IP address ${ip} does not exist, … or does not belong to the requesting user.`);
    for (const [name, ips] of dns)
      dns.set(
        name,
        ips.filter((each) => each !== ip),
      );
    return says(204);
  };
  const reserve = (ip: string, name: string) => {
    if (own.has(ip) || [...dns.values()].flat().includes(ip))
      return says(404, `The IP address ${ip} is already in use.`);
    own.add(ip);
    dns.set(name, [...(dns.get(name) ?? []), ip]);
    return says(200, { ip, alloc_type: 4 });
  };
  const script: Script = ({ path, query, form }: Asked) => {
    const ip = form.get('ip') ?? '';
    if (path === 'dnsresources/') {
      const fqdn = query.get('fqdn') ?? '';
      const ips = (dns.get(fqdn) ?? []).map((each) => ({ ip: each }));
      return says(200, dns.has(fqdn) ? [{ fqdn, ip_addresses: ips }] : []);
    }
    if (query.get('op') === 'reserve') return reserve(ip, form.get('hostname') ?? '');
    if (query.get('op') === 'release') return release(ip);
    return says(
      200,
      [...own].filter((each) => each === query.get('ip')).map((each) => ({ ip: each })),
    );
  };
  return { script, dns, own };
}
const changes = (asked: Asked[]) => asked.filter(({ method }) => method === 'POST').length;

describe('reserving', () => {
  test('takes address and name together, and may be repeated', async () => {
    const { script, dns } = region();
    const { maas, asked } = scriptedMaas(script);
    expect(await reserveAddress(maas, { ip: IP, fqdn: FQDN })).toEqual({ ok: true, value: { ip: IP, fqdn: FQDN } });
    expect(await reserveAddress(maas, { ip: IP, fqdn: FQDN })).toEqual({ ok: true, value: { ip: IP, fqdn: FQDN } });
    expect(dns.get(FQDN)).toEqual([IP]);
    expect(changes(asked)).toBe(1);
  });
  test('after a lost answer finds what was done', async () => {
    const { script } = region();
    let lost = true;
    const { maas } = scriptedMaas((call) => {
      const answer = script(call);
      if (call.method === 'POST' && lost) {
        lost = false;
        return fails('MAYBE_SENT');
      }
      return answer;
    });
    expect(await reserveAddress(maas, { ip: IP, fqdn: FQDN })).toMatchObject({
      error: { code: 'MAAS_UNKNOWN_OUTCOME' },
    });
    expect(await findAddress(maas, FQDN)).toEqual({ ok: true, value: [{ ip: IP, ours: true }] });
    expect((await reserveAddress(maas, { ip: IP, fqdn: FQDN })).ok).toBe(true);
  });
  test("never adds a second address to a name, ours or anybody's", async () => {
    for (const own of [['10.10.0.99'], []]) {
      const { maas, asked } = scriptedMaas(region({ [FQDN]: ['10.10.0.99'] }, own).script);
      expect(await reserveAddress(maas, { ip: IP, fqdn: FQDN })).toMatchObject({
        error: { code: 'ADDRESS_NAME_TAKEN', fqdn: FQDN, addresses: ['10.10.0.99'] },
      });
      expect(changes(asked)).toBe(0);
    }
  });
  test('the address of another cluster of the same MAAS user is taken', async () => {
    const { maas } = scriptedMaas(region({ 'k8s-c2.lab.example': [IP] }, [IP]).script);
    expect(await reserveAddress(maas, { ip: IP, fqdn: FQDN })).toMatchObject({
      error: { code: 'ADDRESS_TAKEN', ip: IP },
    });
  });
  test.each([
    [404, '10.10.0.205 is within the reserved range from 10.10.0.200 to 10.10.0.210', 'reserved-range'],
    [403, '10.10.0.105 is within the dynamic range from 10.10.0.100 to 10.10.0.150', 'dynamic-range'],
    [400, 'No known subnet for IP address: 192.0.2.10.', 'outside-subnets'],
  ])('an address that MAAS never gives out (%i)', async (status, body, reason) => {
    const { maas } = scriptedMaas(({ method }) => (method === 'POST' ? says(status, body) : says(200, [])));
    expect(await reserveAddress(maas, { ip: IP, fqdn: FQDN })).toMatchObject({
      error: { code: 'ADDRESS_NOT_RESERVABLE', reason },
    });
  });
  test('does not reserve when it could not look', async () => {
    const { maas, asked } = scriptedMaas(() => fails('MAYBE_SENT'));
    expect(await reserveAddress(maas, { ip: IP, fqdn: FQDN })).toMatchObject({ error: { code: 'MAAS_UNREACHABLE' } });
    expect(changes(asked)).toBe(0);
  });
});

test('a change that is not confirmed is not sent', async () => {
  const fenced = async () => ({ ok: false, error: 'fenced' }) as const;
  const free = scriptedMaas(region().script);
  expect(await reserveAddress(free.maas, { ip: IP, fqdn: FQDN }, fenced)).toEqual({ ok: false, error: 'fenced' });
  const held = scriptedMaas(region({ [FQDN]: [IP] }, [IP]).script);
  expect(await releaseAddress(held.maas, { ip: IP, fqdn: FQDN }, fenced)).toEqual({ ok: false, error: 'fenced' });
  expect(changes(free.asked) + changes(held.asked)).toBe(0);
});

describe('releasing', () => {
  test('frees address and name, and may be repeated', async () => {
    const { script, own } = region({ [FQDN]: [IP] }, [IP]);
    const { maas } = scriptedMaas(script);
    expect(await releaseAddress(maas, { ip: IP, fqdn: FQDN })).toEqual({ ok: true, value: 'released' });
    expect(await releaseAddress(maas, { ip: IP, fqdn: FQDN })).toEqual({ ok: true, value: 'absent' });
    expect(own.size).toBe(0);
  });
  test("never frees an address that stands under another name, or another user's", async () => {
    const foreign = [region({ 'k8s-c2.lab.example': [IP] }, [IP]), region({ [FQDN]: [IP] }, []), region({}, [IP])];
    for (const { script } of foreign) {
      const { maas, asked } = scriptedMaas(script);
      expect(await releaseAddress(maas, { ip: IP, fqdn: FQDN })).toEqual({ ok: true, value: 'absent' });
      expect(changes(asked)).toBe(0);
    }
  });
  test('freed by somebody between look and call is absent', async () => {
    const { script, own } = region({ [FQDN]: [IP] }, [IP]);
    const { maas } = scriptedMaas((call) => {
      if (call.method === 'POST') own.clear();
      return script(call);
    });
    expect(await releaseAddress(maas, { ip: IP, fqdn: FQDN })).toEqual({ ok: true, value: 'absent' });
  });
});

test('a name in a domain that MAAS does not have is free', async () => {
  const { maas } = scriptedMaas(() => says(404, 'No Domain matches the given query.'));
  expect(await findAddress(maas, 'x.nosuch.test')).toEqual({ ok: true, value: [] });
});
