// Pure. A relay's message as a frame, or the code to close with (T2, T9).
import { z } from 'zod';
import { TUNNEL_FRAME_BYTES_MAX } from '../../shared/limits.ts';
import { err, ok, type Result } from '../../shared/result.ts';
import { CLOSE, PROTOCOL_VERSION, RelayFrame } from '../../shared/tunnel-frame.ts';

export type BadFrame = { readonly code: number; readonly reason: string };

const Envelope = z.object({ v: z.int(), type: z.string() });
const KNOWN = new Set<string>(RelayFrame.options.map((option) => option.shape.type.value));

export function readFrame(message: string | ArrayBuffer): Result<RelayFrame, BadFrame> {
  if (typeof message !== 'string') return err({ code: CLOSE.BAD_FRAME, reason: 'frames are text' });
  if (message.length > TUNNEL_FRAME_BYTES_MAX) return err({ code: CLOSE.BAD_FRAME, reason: 'frame too large' });
  const content = parseJson(message);
  const envelope = Envelope.safeParse(content);
  if (!envelope.success) return err({ code: CLOSE.BAD_FRAME, reason: 'not a frame' });
  if (envelope.data.v !== PROTOCOL_VERSION || !KNOWN.has(envelope.data.type)) {
    const older = envelope.data.v < PROTOCOL_VERSION ? 'relay' : 'edge';
    return err({ code: CLOSE.VERSION_UNSUPPORTED, reason: `edge speaks ${PROTOCOL_VERSION}; the ${older} is older` });
  }
  const frame = RelayFrame.safeParse(content);
  if (frame.success) return ok(frame.data);
  const path = frame.error.issues[0]?.path.join('.') ?? '';
  // A close reason has at most 123 bytes.
  return err({ code: CLOSE.BAD_FRAME, reason: `${envelope.data.type}: ${path}`.slice(0, 100) });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
