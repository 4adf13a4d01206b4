#!/usr/bin/env bash
# On a rented machine, in its copy of cnnjax: what --engine=cloud has done there.
#
#   job.sh install          Python and cnnjax, into .venv
#   job.sh run COMMAND      the command, once at a time, and how it ended in job.status
#   job.sh attempts COMMAND the command, again after each interruption while anything is recorded
#   job.sh ask              absent, stopped, training or `ended STATUS`
#
# RUNS is the store that records go to. With AGAIN=elsewhere an interruption after which something
# new is recorded ends `attempts` with status 75, so that who started it goes on.
set -euo pipefail
cd "$(dirname "$0")/../.."
INTERRUPTED=75
MOST_IDLE=3 # attempts in a row that recorded nothing new

install() {
  [ ! -f installed ] || return 0
  # The Python of TPU images is older than ours: uv brings one.
  python3 -m venv tools || {
    sudo apt-get -o DPkg::Lock::Timeout=300 update
    sudo apt-get -o DPkg::Lock::Timeout=300 install -y python3-venv
    python3 -m venv tools
  }
  tools/bin/pip install --quiet uv
  rm -rf .venv
  tools/bin/uv venv --quiet --python=3.12 .venv
  tools/bin/uv pip install --quiet --python=.venv/bin/python -c versions.txt -e '.[tpu,gcs]'
  touch installed
}

recorded() {
  .venv/bin/python -m experiments.cloud.progress "$RUNS" || echo "nobody knows what is recorded"
}

attempts() {
  local status before now idle=0
  before=$(recorded)
  while :; do
    rm -f "${TMPDIR:-/tmp}/libtpu_lockfile" || true # left by a process that was killed
    status=0
    "$@" || status=$?
    [ "$status" = "$INTERRUPTED" ] || return "$status"
    now=$(recorded)
    if [ "$now" != "$before" ]; then
      echo "interrupted; $now"
      idle=0
      [ "${AGAIN:-here}" = here ] || return "$INTERRUPTED"
    else
      idle=$((idle + 1))
      echo "interrupted with nothing new, $idle of $MOST_IDLE times; $now"
      [ "$idle" -lt "$MOST_IDLE" ] || return 1
    fi
    before=$now
  done
}

run() {
  exec 9>> job.lock
  flock -n 9 || { echo "it runs already"; return 0; }
  rm -f job.status
  local status=0
  attempts "$@" || status=$?
  echo "$status" > job.status.new
  mv job.status.new job.status
}

ask() {
  if [ -f job.status ]; then
    echo "ended $(cat job.status)"
  elif [ ! -f installed ]; then
    echo absent
  elif flock -n job.lock true; then
    echo stopped
  else
    echo training
  fi
}

word=$1
shift
case $word in
  install | run | attempts | ask) "$word" "$@" ;;
  *) echo "unknown: $word" >&2; exit 2 ;;
esac
