// A filled bootstrap document as the bash script that a machine runs. The script holds secrets: it lives in a file of mode
// 0600 in a folder of mode 0700 and is removed when it has run. It may be run again from any point: files are replaced
// whole until all of them are placed and never after, since steps change and remove them; steps that are done are passed
// over, and a step that was cut short starts with its clean-up.
import type { FilledDocument } from '../../shared/enrolment.ts';
import { WHOLE_BOOTSTRAP } from '../../shared/enrolment.ts';

/** The last line; a machine runs nothing that lacks it. */
const END = '# slipway: end';
/** For the clean-up between two attempts: `kubeadm reset` takes 8 s on two cores (kubernetes.md §1). */
const BEFORE_RETRY_SECONDS = 600;
/** Of failures that are tried again, the first and the last are reported, and between them one in so long. */
const FAILURE_REPORT_SECONDS = 20;

export function renderBootstrapScript(document: FilledDocument): string {
  const files = document.files.map((file) => put(`'${quoted(file.path)}'`, file.mode, file.content));
  const steps = document.steps.flatMap((step, index) => [
    put(`"$state/steps/${index}"`, '0600', step.script),
    ...(step.beforeRetry === null ? [] : [put(`"$state/steps/${index}.retry"`, '0600', step.beforeRetry)]),
  ]);
  const runs = document.steps.map(
    (step, index) =>
      `run_step ${index} ${step.name} ${step.timeoutSeconds} ${step.attempts} ${step.pauseSeconds} || give_up`,
  );
  return [HEAD, UNLESS_PLACED, ...files, ...steps, PLACED, ...runs, TAIL].join('\n');
}

/** In base64 on standard input: nothing of it can be read as bash, or seen in a list of processes. */
function put(target: string, mode: string, content: string): string {
  const encoded = Buffer.from(content)
    .toString('base64')
    .replace(/.{1,76}/g, '$&\n');
  return `put ${target} ${mode} <<'EOF' || give_up\n${encoded}EOF`;
}

const quoted = (path: string): string => path.replaceAll("'", String.raw`'\''`);

const HEAD = `#!/bin/bash
# Slipway bootstrap. Holds secrets.
set -uo pipefail
umask 077
state=$(cd "$(dirname "$0")" && pwd)
log=$state/logs/files
mkdir -p "$state/steps" "$state/logs"
: >"$log"

report() { bash "$state/enrol" report "$@"; }

# put PATH MODE, content in base64 on standard input. Never seen in part: not by a reader, not after a power cut. The
# passing name begins with a dot, since the kubelet reads every other file in its manifests folder.
put() {
  local folder passing
  folder=$(dirname "$1")
  passing=$folder/.$(basename "$1").slipway
  (umask 022 && mkdir -p "$folder") && base64 -d >"$passing" && chmod "$2" "$passing" && mv -fT "$passing" "$1"
} 2>>"$log"

# run_step INDEX NAME TIMEOUT_SECONDS ATTEMPTS PAUSE_SECONDS
run_step() {
  local file=$state/steps/$1 attempt=1 status told=0
  log=$state/logs/$1-$2
  [ ! -e "$file.done" ] || return 0
  [ ! -e "$file.begun" ] || before_retry "$file"
  : >"$file.begun"
  : >"$log"
  report "$2" started 1 null "$log"
  while :; do
    timeout --kill-after=30 "$3" bash -euo pipefail "$file" </dev/null >"$log" 2>&1
    status=$?
    if [ $status = 0 ]; then
      : >"$file.done"
      report "$2" succeeded $attempt 0 "$log"
      return 0
    fi
    # A step that is tried every two seconds is not told of every two seconds.
    if ((attempt == 1 || attempt >= $4 || SECONDS - told >= ${FAILURE_REPORT_SECONDS})); then
      report "$2" failed $attempt $status "$log"
      told=$SECONDS
    fi
    [ $attempt -lt "$4" ] || return $status
    attempt=$((attempt + 1))
    before_retry "$file"
    sleep "$5"
  done
}

before_retry() {
  [ -e "$1.retry" ] || return 0
  timeout --kill-after=30 ${BEFORE_RETRY_SECONDS} bash -euo pipefail "$1.retry" </dev/null >>"$1.retry.log" 2>&1 ||
    echo "the clean-up before another attempt failed too: see $1.retry.log" >&2
}

give_up() {
  local status=$?
  report ${WHOLE_BOOTSTRAP} failed 1 $status "$log"
  exit $status
}

report ${WHOLE_BOOTSTRAP} started 1 null /dev/null
`;

const UNLESS_PLACED = 'if [ ! -e "$state/steps/placed" ]; then';
/** On the disk before the mark is. */
const PLACED = `sync
: >"$state/steps/placed"
fi
`;

const TAIL = `report ${WHOLE_BOOTSTRAP} succeeded 1 0 /dev/null
exit 0
${END}
`;
