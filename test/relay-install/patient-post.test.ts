import { expect, test } from 'vitest';
import { patientPost } from '../../relay/install/patient-post.ts';
import { ok } from '../../shared/result.ts';
import { testPorts } from '../relay/memory-ports.ts';

const LIMITED = { status: 429, body: { code: 'RATE_LIMITED', retryAfterSeconds: 10 } };

function patient(answers: readonly { status: number; body: unknown }[]) {
  const ports = testPorts();
  const said: string[] = [];
  let asked = 0;
  const post = patientPost(
    async () => {
      asked += 1;
      return ok(answers[asked - 1] ?? LIMITED);
    },
    ports.timers,
    (text) => said.push(text),
  );
  return { ports, said, asked: () => asked, answer: post('https://console/v1/pairing', {}) };
}

test('a console that takes no more tries is asked again when it says, and not before', async () => {
  const { ports, said, asked, answer } = patient([LIMITED, { status: 200, body: 'paired' }]);
  await ports.advance(9_999);
  expect([asked(), said]).toEqual([1, [expect.stringContaining('waits 10 s')]]);
  await ports.advance(1);
  expect(await answer).toEqual(ok({ status: 200, body: 'paired' }));
  expect(asked()).toBe(2);
});

test('after three waits, and of any other refusal, the answer is handed on', async () => {
  const { ports, asked, answer } = patient([]);
  for (let wait = 0; wait < 3; wait += 1) await ports.advance(10_000);
  expect([await answer, asked()]).toEqual([ok(LIMITED), 4]);
  const used = patient([{ status: 409, body: { code: 'PAIRING_CODE_USED' } }]);
  expect(await used.answer).toMatchObject({ value: { status: 409 } });
  const vague = patient([{ status: 429, body: 'busy' }]);
  expect(await vague.answer).toEqual(ok({ status: 429, body: 'busy' }));
});
