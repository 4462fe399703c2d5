// Where the pairing code comes from: asked for at a terminal, else the first line of standard input. Never the command line,
// which every user of the host can read and the shell remembers.
import { createInterface } from 'node:readline/promises';

export async function readPairingCodeInput(): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdin.isTTY ? process.stderr : undefined });
  try {
    if (process.stdin.isTTY) return await lines.question('Pairing code: ');
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
  }
}
