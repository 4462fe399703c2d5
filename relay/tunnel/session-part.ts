// Whatever else speaks in a session, beside commands, lease and standing: it is told when a session begins and ends, and hears
// the frames that are its own.
import type { EdgeFrame, RelayFrame } from '../../shared/tunnel-frame.ts';

export type Send = (frame: RelayFrame) => void;

export type SessionPart = {
  /** A session has begun; `send` is its way up. */
  readonly attach: (send: Send) => void;
  readonly detach: () => void;
  /** Frames of the edge that are nobody else's; those it does not know it passes over. */
  readonly take: (frame: Extract<EdgeFrame, { type: 'pairing-code-ack' | 'installation-state' }>) => void;
};
