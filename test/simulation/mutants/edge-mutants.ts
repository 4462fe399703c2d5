// Bugs of the objects.
import type { Mutant } from './mutant.ts';

const INBOX = 'functions/objects/report-inbox.ts';
const LOGIC = 'functions/objects/cluster-logic.ts';

export const EDGE_MUTANTS: readonly Mutant[] = [
  {
    name: 'acked-before-stored',
    bug: 'a report is acknowledged though the cluster did not store it',
    patches: [{ file: INBOX, from: '      if (owner !== null && failed.has(owner)) return false;\n', to: '' }],
  },
  {
    name: 'standbys-hear-nothing',
    bug: 'a relay that stands by is not told that another has settled its command',
    bias: {
      workload: 'create-three',
      relays: 2,
      only: true,
      sparesReads: true,
      rates: { 'frame-late': 0.15, 'maas-slow': 0.5 },
      stormMs: 300_000,
      acts: [{ act: 'relay-pauses', times: 8, betweenMs: [5_000, 250_000] }],
    },
    hints: [291],
    patches: [{ file: INBOX, from: '      this.#tellOthers(socket, frame.commandId);\n', to: '' }],
  },
  {
    name: 'alarm-is-not-set-again',
    bug: 'a woken object that fails goes back to sleep for good',
    patches: [
      { file: LOGIC, from: '      this.#arm();\n    } catch (error) {', to: '    } catch (error) {' },
      { file: LOGIC, from: '    this.#arm();\n    this.#drainInBackground();', to: '    this.#drainInBackground();' },
    ],
  },
  {
    name: 'lease-to-everybody',
    bug: 'the edge grants the lease while another holds it',
    bias: {
      workload: 'failover',
      relays: 2,
      only: true,
      sparesReads: true,
      rates: { 'socket-cut': 0.05, 'dial-fails': 0.8, 'maas-slow': 0.4 },
      stormMs: 300_000,
    },
    patches: [
      {
        file: 'functions/objects/lease.ts',
        from: '  if (runsUntil > now) {',
        to: '  if (runsUntil > now + 3_600_000) {',
      },
    ],
  },
  {
    name: 'exposure-is-not-kept',
    bug: 'nobody remembers who may be changing what, so a new leader is given no guards',
    bias: {
      relays: 2,
      only: true,
      sparesReads: true,
      rates: { 'maas-reordered': 0.5, 'relay-lost-at-point': 0.04 },
      stormMs: 300_000,
    },
    patches: [
      {
        file: 'functions/objects/exposure.ts',
        from: 'if (command.clusterId === null || !isMutation(command.body.verb)) return;',
        to: 'if (command.clusterId === null || isMutation(command.body.verb)) return;',
      },
    ],
  },
  {
    name: 'outbox-emptied-before-delivery',
    bug: 'an effect leaves the outbox before the gateway has it',
    bias: {
      only: true,
      end: { kind: 'delete', afterMs: [60_000, 240_000] },
      rates: { 'rpc-lost': 0.2, 'catalogue-error': 0.3 },
      stormMs: 400_000,
    },
    patches: [
      {
        file: 'functions/objects/run-effects.ts',
        from: '    const outcome = await carryOut(',
        to: '    storage.delivered(lane, batch.map((row) => row.id));\n    const outcome = await carryOut(',
      },
    ],
  },
  {
    name: 'state-without-effects',
    bug: 'state and outbox are not kept together: an object that is lost forgets what it decided to do',
    patches: [
      {
        file: 'functions/objects/cluster-storage.ts',
        from: '        for (const effect of effects) addEffect(sql, effect);',
        to: "        for (const effect of effects) if (effect.kind !== 'withdraw-commands') addEffect(sql, effect);",
      },
    ],
  },
  {
    name: 'facts-before-the-cluster',
    bug: 'the cluster takes the relay for its clock: an old outcome counts twice',
    patches: [
      {
        file: LOGIC,
        from: "kind: 'command-settled', at, commandId, outcome })),",
        to: "kind: 'command-settled', at: at + 3_600_000, commandId, outcome })),",
      },
    ],
  },
  {
    name: 'late-enqueue-is-taken',
    bug: 'the gateway forgets what was withdrawn, and takes it when the request to enqueue it comes late',
    argument:
      'It takes a call to enqueue that its caller gave up after 15 s, was sent again, and lands after the withdrawal: seed 1006596 found it, and played another life when other things changed. The two [C5] tests of test/storage/objects-in-node.test.ts fail with it.',
    patches: [
      {
        file: 'functions/objects/command-queue.ts',
        from: '  keepEnded(sql, id);\n  endExposure(sql, id, now);\n',
        to: '  endExposure(sql, id, now);\n',
      },
    ],
  },
  {
    name: 'anybody-is-the-successor',
    bug: 'any process takes the lease over, not only the next one of its node (L8)',
    bias: {
      workload: 'failover',
      relays: 2,
      only: true,
      sparesReads: true,
      rates: { 'socket-cut': 0.05, 'dial-fails': 0.8, 'maas-slow': 0.4 },
      stormMs: 300_000,
    },
    patches: [
      {
        file: 'functions/objects/lease.ts',
        from: '  return isOpen && holder.startsWith(`${state.nodeId}/`);',
        to: '  return isOpen && holder.length > 0 && state.nodeId.length > 0;',
      },
    ],
  },
];
