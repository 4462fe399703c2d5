// What this node tells of itself, and what the edge says it is (N5): waiting for the gateway's key, leading or standing by.
import type { EdgeFrame, RelayFrame } from '../../shared/tunnel-frame.ts';
import { PROTOCOL_VERSION } from '../../shared/tunnel-frame.ts';
import type { Log } from '../log.ts';
import type { Clock } from '../ports.ts';

export type Standing = Pick<Extract<EdgeFrame, { type: 'standing' }>, 'state' | 'leader' | 'peers'>;
export type OwnStatus = Pick<Extract<RelayFrame, { type: 'node-status' }>, 'sealingKey' | 'addresses'>;

export type NodeStatus = {
  /** The last word of the edge; before any, a relay counts as the only one. While the tunnel is down it stands. */
  readonly standing: () => Standing;
  /** Another number after each session that began and each lead that was lost: what was told before may not have counted (L7). */
  readonly period: () => number;
  /** Tells the edge again if what is told has changed. */
  readonly changed: () => void;
  readonly attach: (send: (frame: RelayFrame) => void) => void;
  readonly detach: () => void;
  readonly take: (standing: Standing) => void;
};

export function createNodeStatus(own: () => OwnStatus, clock: Clock, log: Log): NodeStatus {
  let standing: Standing = { state: 'active', leader: true, peers: [] };
  let send: ((frame: RelayFrame) => void) | null = null;
  let told = '';
  let period = 0;
  const tell = (): void => {
    const status = own();
    const text = JSON.stringify(status);
    if (send === null || text === told) return;
    told = text;
    send({ v: PROTOCOL_VERSION, type: 'node-status', ...status, at: clock.now() });
  };
  return {
    standing: () => standing,
    period: () => period,
    changed: tell,
    attach: (sender) => {
      send = sender;
      period += 1;
      told = '';
      tell();
    },
    detach: () => {
      send = null;
    },
    take: ({ state, leader, peers }) => {
      if (!leader) period += 1;
      const isNew = state !== standing.state || leader !== standing.leader;
      standing = { state, leader, peers };
      if (isNew) log.info('standing', { state, leader, peers: peers.join(' ') });
    },
  };
}
