// The relay's own proxy and authorities in a machine's document.
import { afterEach, expect, test } from 'vitest';
import { makeClusterIdentity } from '../../relay/bootstrap/cluster-identity.ts';
import { ensureBootstrap } from '../../relay/commands/bootstrap.ts';
import { redactLog } from '../../relay/enrolment/redact-log.ts';
import { type SiteSlots, siteSlots } from '../../relay/enrolment/site-slots.ts';
import { makeToken } from '../../relay/enrolment/token.ts';
import { FilledDocument } from '../../shared/enrolment.ts';
import {
  CLAIM,
  contextFor,
  type EnrolmentBench,
  KEY,
  playKubernetes,
  realPorts,
  SYSTEM_ID,
  speak,
  startBench,
} from './bench.ts';
import { aDocument, bootstrapBody } from './documents.ts';

const identity = await makeClusterIdentity('edge-1', Date.now());
const NAMES = ['https-proxy', 'http-proxy', 'no-proxy', 'authorities'];
const DOCUMENT = aDocument({
  files: NAMES.map((name) => ({ path: `/site/${name}`, mode: '0600', content: `{{secret:site-${name}}}` })),
});

const open: EnrolmentBench[] = [];
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.close();
});

async function served(site: SiteSlots | undefined) {
  const on = await startBench(site === undefined ? {} : { site });
  open.push(on);
  const enrolUntil = Date.now() + 3_600_000;
  const token = makeToken(KEY, { claim: CLAIM, systemId: SYSTEM_ID, enrolUntil });
  const body = bootstrapBody(identity, DOCUMENT);
  const parts = { turns: on.turns, ledger: on.ledger, dial: { kubernetes: () => playKubernetes({}) } };
  void ensureBootstrap(parts)(body, contextFor(body, realPorts()));
  const hello = { claim: CLAIM, systemId: SYSTEM_ID, interfaces: [{ name: 'eth0', address: '127.0.0.1' }] };
  await speak(on, 'POST', '/v1/enrol', { token, body: hello });
  const { text } = await speak(on, 'GET', '/v1/bootstrap', { token, json: true });
  const userData = on.userDataFor({ claim: CLAIM, systemId: SYSTEM_ID, enrolUntil });
  return { contents: FilledDocument.parse(JSON.parse(text)).files.map(({ content }) => content), userData, on };
}

test('a machine’s document has the relay’s own proxy; user-data and the log have nothing of it', async () => {
  const proxy = {
    https: 'https://u:secret-word@proxy.test',
    http: 'http://proxy.test:3128/',
    no: ['.a', '10.0.0.0/8'],
  };
  const { contents, userData, on } = await served(siteSlots({ config: { proxy }, siteAuthorities: null }));
  expect(contents).toEqual(['https://u:secret-word@proxy.test:443', 'http://proxy.test:3128', '.a,10.0.0.0/8', '']);
  expect(userData).not.toMatch(/proxy\.test|secret-word/);
  expect(on.logLines.join('\n')).not.toContain('secret-word');
});

test('without settings every slot is empty', async () => {
  expect((await served(undefined)).contents).toEqual(['', '', '', '']);
  const none = siteSlots({ config: { proxy: { https: null, http: null, no: [] } }, siteAuthorities: null });
  expect(Object.values(none)).toEqual(['', '', '', '']);
});

test('a proxy’s user and password in what a step printed go nowhere', () => {
  const line = 'curl: (56) through http://u:secret-word@proxy.test:3128 and https://plain.test/a@b';
  expect(redactLog(line)).toBe('curl: (56) through http://<redacted>@proxy.test:3128 and https://plain.test/a@b');
});
