// Pure. Text of users that looks like one of our placeholders must stay text: nobody gets a CA key by asking for it in a file.
const PLACEHOLDER = /\{\{(?=(?:secret|fact):)/g;
const GUARDED = '{@slipway@{';

export const guardBraces = (text: string): string => text.replace(PLACEHOLDER, GUARDED);

/** Puts the braces back on the machine, where no placeholder is filled in any more; null when no file needs it. */
export function unguardScript(files: readonly { path: string; content: string }[]): string | null {
  const guarded = files.filter((file) => guardBraces(file.content) !== file.content);
  if (guarded.length === 0) return null;
  return guarded.map((file) => `sed -i 's/${GUARDED}/{{/g' ${quote(file.path)}`).join('\n');
}

/** One word of a shell command. */
export const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
