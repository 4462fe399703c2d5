// Named points at which a test ends the relay as a power cut would. Off unless SLIPWAY_FAILPOINT names one.

export const FAILPOINTS = [
  'after-receive',
  'after-journal-accept',
  'after-receipt',
  'before-allocate-call',
  /** The answer is known, nothing is journalled. */
  'after-allocate-call',
  'after-annotate',
  'before-deploy-call',
  'after-deploy-call',
  'before-release-call',
  'after-release-call',
  'after-address-reserve',
  'after-settle-journal',
  'after-report-sent',
  'before-bootstrap-served',
  'after-bootstrap-served',
  'after-identity-made',
] as const;

/** Beside those, which the end-to-end tests take one by one, what only long runs of many kills visit. */
export const FURTHER_FAILPOINTS = [
  'before-settle-journal',
  'before-annotate',
  'before-address-reserve',
  'before-address-release',
  'after-address-release',
  'after-enrolment-kept',
  'before-fetch-kept',
  'after-observations-sent',
  /** A number is used up, nothing is dialled. */
  'after-join-counter',
] as const;
export type Failpoint = (typeof FAILPOINTS)[number] | (typeof FURTHER_FAILPOINTS)[number];

/**
 * The `reach` of `setting`: calls `end` at the point it names, at the n-th pass with `name:n`. Null for a setting that
 * names no point. An absent or empty setting arms nothing.
 */
export function armFailpoint(setting: string | undefined, end: () => void): ((point: Failpoint) => void) | null {
  if (setting === undefined || setting === '') return () => {};
  const [name, pass = '1'] = setting.split(':');
  const armed = [...FAILPOINTS, ...FURTHER_FAILPOINTS].find((point) => point === name);
  if (armed === undefined || !/^[1-9]\d{0,3}$/.test(pass)) return null;
  let left = Number(pass);
  return (point) => {
    if (point !== armed) return;
    left -= 1;
    if (left === 0) end();
  };
}
