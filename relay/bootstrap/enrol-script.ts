// The program that user-data leaves on a machine: it asks the relay for the machine's bootstrap script, runs it, and carries
// its reports. The text is the same for every machine; what differs is in `enrolment.env` beside it. It needs bash, curl,
// coreutils and iproute2, which Ubuntu's and Debian's cloud images have.
//
// What a bootstrap script may rely on, whatever version of the relay rendered either: it is run by `bash` in the folder of
// this program, and `bash ./enrol report STEP OUTCOME ATTEMPT EXIT_CODE LOG_FILE` queues one report and tries to send it.

/** Exit status of `enrol run` when trying again can't help: the unit is not restarted on it. */
export const ENROL_GAVE_UP = 3;

export const ENROL_SCRIPT = String.raw`#!/bin/bash
# Slipway: asks this datacentre's relay what this machine is to become, does it, and reports how it went.
#   enrol start    hand over to systemd where there is one, else run here
#   enrol run      say hello, wait for the turn, fetch the bootstrap script, run it
#   enrol report STEP OUTCOME ATTEMPT EXIT_CODE LOG_FILE
set -uo pipefail
umask 077
shopt -s extglob nullglob
cd "$(dirname "$0")" || exit 1
export LC_ALL=C HOME="${'$'}{HOME:-/root}"
export PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
. ./enrolment.env

say() { printf 'slipway: %s\n' "$*" >&2; }

# call RELAY METHOD PATH MAX_SECONDS ANSWER_FILE [BODY_FILE]: prints the HTTP status, 000 when there was no whole answer.
# The certificate is checked against a fixed name, so that a relay may have any address. The token is read from a file:
# what stands on a command line, every user of the machine can see.
call() {
  local relay=$1 method=$2 path=$3 seconds=$4 answer=$5 status
  local body=()
  [ $# -lt 6 ] || body=(--header 'Content-Type: application/json' --data-binary "@$6")
  status=$(curl --silent --show-error --noproxy '*' --proto '=https' --cacert enrolment-ca.pem --dump-header headers \
    --header @authorization --connect-to "$SERVER_NAME:443:$relay" --connect-timeout 5 --max-time "$seconds" \
    --request "$method" "${'$'}{body[@]}" --output "$answer" --write-out '%{http_code}' "https://$SERVER_NAME$path") ||
    status=000
  [[ $status != 2?? ]] || heed
  printf '%s' "$status"
}

# What a relay says of where the gateway's relays are now: since this machine was deployed they may have moved or been replaced.
heed() {
  local name value allowed='^[A-Za-z0-9.: -]+$'
  while read -r name value; do
    value=${'$'}{value%$'\r'}
    [[ ${'$'}{name,,} == x-slipway-relays: && ${'$'}{#value} -lt 4000 && $value =~ $allowed ]] || continue
    printf '%s\n' "$value" >relays.new && mv -f relays.new relays
  done <headers
}

# Where to ask, each once: first what a relay said last, then what this machine was deployed with. An address that this machine
# has itself, such as a virtual one on a node of the gateway, leads to no other relay; it is taken only for want of any.
relays() {
  local relay address own=' ' seen=' ' all=() others=()
  while read -r _ _ _ address _; do own+="${'$'}{address%%/*} "; done < <(ip -o -4 address show scope global)
  for relay in $(cat relays 2>/dev/null) $RELAYS; do
    [[ $seen != *" $relay "* ]] || continue
    seen+="$relay "
    all+=("$relay")
    [[ $own == *" ${'$'}{relay%:*} "* ]] || others+=("$relay")
  done
  [ ${'$'}{#others[@]} -gt 0 ] || others=("${'$'}{all[@]}")
  printf '%s\n' "${'$'}{others[@]}"
}

# A clock that was never set must not end this at once, nor keep it going for ever.
expired() { ((SECONDS > 86400 || (SECONDS > 900 && $(date +%s) > ENROL_UNTIL))); }

# Waits longer each time, up to 15 s, and not at the same moments as the other machines.
back_off() {
  sleep "$((1 + RANDOM % pause))"
  pause=$((pause * 2 > 15 ? 15 : pause * 2))
}

hello() {
  local list= name address
  while read -r _ name _ address _; do
    name=${'$'}{name%%@*}
    [[ $name =~ ^[A-Za-z0-9._:-]+$ ]] || continue
    list+="${'$'}{list:+,}{\"name\":\"$name\",\"address\":\"${'$'}{address%%/*}\"}"
  done < <(ip -o -4 address show scope global)
  [ -n "$list" ] || return 1
  printf '{"claim":"%s","systemId":"%s","interfaces":[%s]}' "$CLAIM" "$SYSTEM_ID" "$list" >hello.json
}

# ask RELAY: 0 the script is here, 1 not yet, 2 no use of this relay now, 3 never again
ask() {
  local status
  hello || { say 'no address yet'; return 2; }
  status=$(call "$1" POST /v1/enrol 15 answer hello.json)
  case $status in
    2??) ;;
    410) return 3 ;;
    *) say "$1 answers $status to hello"; return 2 ;;
  esac
  status=$(call "$1" GET /v1/bootstrap 120 bootstrap.new)
  case $status in
    200) [ "$(tail -n 1 bootstrap.new)" = '# slipway: end' ] || { say 'the script came in part'; return 2; } ;;
    204) return 1 ;;
    410) return 3 ;;
    *) say "$1 answers $status to my turn"; return 2 ;;
  esac
  mv -f bootstrap.new bootstrap && printf '%s' "$1" >served-by
}

fetch_script() {
  local relay pause=1 calm
  while ! expired; do
    calm=no
    for relay in $(relays); do
      ask "$relay"
      case $? in
        0) return 0 ;;
        1) calm=yes pause=1 ;;
        3) say 'the relay has given this to a machine already'; return 1 ;;
      esac
    done
    if [ $calm = yes ]; then sleep 1; else back_off; fi
  done
  say 'the time to enrol is over'
  return 1
}

# Ends the fetch at the relay. When it can't be reached, the first report says as much later.
acknowledge() {
  local try relay
  for try in 1 2 3; do
    for relay in $(cat served-by) $(relays); do
      case $(call "$relay" POST /v1/acknowledge 15 answer) in
        2?? | 410) : >acknowledged; return ;;
      esac
    done
    sleep "$try"
  done
}

report() {
  local log= number
  [ ! -f "$5" ] || log=$(tail -c 12000 "$5" | tr -d '\000-\010\013-\032\034-\037\177')
  log=${'$'}{log//$'\e'\[*([0-9;])[a-zA-Z]/}
  log=${'$'}{log//$'\e'/}
  log=${'$'}{log//\\/\\\\}
  log=${'$'}{log//\"/\\\"}
  log=${'$'}{log//$'\t'/\\t}
  log=${'$'}{log//$'\n'/\\n}
  mkdir -p outbox
  number=$(($(cat report-number 2>/dev/null || echo 10000) + 1))
  echo "$number" >report-number
  printf '{"claim":"%s","systemId":"%s","step":"%s","outcome":"%s","attempt":%s,"exitCode":%s,"log":"%s"}' \
    "$CLAIM" "$SYSTEM_ID" "$1" "$2" "$3" "$4" "$log" >"outbox/$number.new"
  mv "outbox/$number.new" "outbox/$number.json"
  send_reports || true
}

# In order. A report that the relay refuses is dropped: it would be refused again.
send_reports() {
  local each relay sent
  for each in outbox/*.json; do
    sent=no
    for relay in $(relays); do
      case $(call "$relay" POST /v1/report 10 answer "$each") in
        2?? | 400 | 401 | 403 | 404 | 410 | 413) rm -f "$each"; sent=yes; break ;;
      esac
    done
    [ $sent = yes ] || return 1
  done
}

run() {
  local status pause=1
  [ ! -e finished ] || exit 0
  if command -v flock >/dev/null; then exec 9>lock; flock -n 9 || exit 0; fi
  [ -s bootstrap ] || fetch_script || exit ${ENROL_GAVE_UP}
  [ -e acknowledged ] || acknowledge
  bash ./bootstrap 9>&-
  status=$?
  SECONDS=0
  until send_reports || ((SECONDS > 1800)); do back_off; done
  echo "$status" >finished
  rm -rf bootstrap bootstrap.new steps authorization answer headers
  [ $status = 0 ] || exit ${ENROL_GAVE_UP}
}

start() {
  if [ -d /run/systemd/system ] && systemctl daemon-reload &&
    systemctl enable --now --no-block slipway-enrol.service; then
    exit 0
  fi
  run
}

case ${'$'}{1:-} in
  start | run) "$1" ;;
  report) shift; report "$@" ;;
  *) say 'usage: enrol start|run|report'; exit 64 ;;
esac
`;
