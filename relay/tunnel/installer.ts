// The installer's side of a session (I1, I4): registers what is to be installed, asks again every 2 s how far it is, and says
// that this node's work is done.
import type { Installation, InstallationState } from '../../shared/installation.ts';
import type { Timers } from '../ports.ts';
import type { Send, SessionPart } from './session-part.ts';

const ASK_MS = 2_000;

export type Installer = SessionPart & {
  /** From now on this is registered, in every session. The same as before changes nothing. */
  readonly register: (installation: Installation) => void;
  /** From now on this node asks to be a node no more, until it is closed as revoked. */
  readonly leave: () => void;
};

/** @param heard each answer of the edge, in order */
export function createInstaller(timers: Timers, heard: (state: InstallationState) => void): Installer {
  let send: Send | null = null;
  let installation: Installation | null = null;
  let isLeaving = false;
  let cancel = (): void => {};
  const say = (): void => {
    cancel();
    if (send === null || (installation === null && !isLeaving)) return;
    if (isLeaving) send({ v: 1, type: 'node-leave' });
    else if (installation !== null) send({ v: 1, type: 'installation', installation });
    cancel = timers.after(ASK_MS, say);
  };
  return {
    register: (given) => {
      installation = given;
      say();
    },
    leave: () => {
      isLeaving = true;
      say();
    },
    attach: (sender) => {
      send = sender;
      say();
    },
    detach: () => {
      send = null;
      cancel();
    },
    take: (frame) => {
      if (frame.type === 'installation-state' && !isLeaving) heard(frame.state);
    },
  };
}
