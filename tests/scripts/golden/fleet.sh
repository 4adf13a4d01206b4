#!/usr/bin/env bash
# 8 machines of v6e-8 (1 VM of 8 chips, spot) by Compute Engine: rents them, trains on them, and
# deletes them.
#
#   bash rent.sh all       create, watch, delete; deletes also after an error or Ctrl-C
#   bash rent.sh create    the machines that are not there
#   bash rent.sh install   the code of REVISION and what it needs, on those that are up
#   bash rent.sh start     COMMAND, where it does not run; an interruption starts it again
#   bash rent.sh watch     until it has ended; installs and starts it on machines that are new, and
#                         makes those again that were taken away
#   bash rent.sh delete    everything; what is left costs money
#
# Run it in the checkout of cnnjax that is to be copied, or say CHECKOUT=FOLDER. It needs git and
# gcloud, which is logged in. What machines say lies in LOGS.
set -euo pipefail

PROJECT=${PROJECT:?say which: PROJECT=... bash rent.sh all}
ZONE=us-east5-b
PREFIX=cnnjax-265581 # of the names of all that is made
COUNT=8
CHECKOUT=${CHECKOUT:-.}
REVISION=0000000000000000000000000000000000000000
RUNS=gs://bucket/runs
JOB=experiments/cloud/job.sh
MACHINE=(
  --machine-type=ct6e-standard-8t
  --provisioning-model=SPOT
  --instance-termination-action=DELETE
  --image-project=ubuntu-os-accelerator-images
  --image-family=ubuntu-accel-2204-amd64-tpu-v5e-v5p-v6e
  --maintenance-policy=TERMINATE
  --boot-disk-size=200GB
  --scopes=cloud-platform
)
IFS= read -r COMMAND << 'END_OF_COMMAND'
.venv/bin/python launch.py padding --seeds=3 --runs=gs://bucket/runs
END_OF_COMMAND

# ---- How Compute Engine is asked: a machine is one VM -------------------------------------------

# NAME and up, coming or lost, of each machine that there is; fails where nobody answers.
list_machines() {
  gcloud compute instances list --project="$PROJECT" --zones="$ZONE" \
    --filter="name~^$PREFIX-" --format='value(name,status)' |
    while read -r name status; do
      case $status in
        RUNNING) echo "$name up" ;;
        TERMINATED | STOPPED | SUSPENDED) echo "$name lost" ;;
        *) echo "$name coming" ;;
      esac
    done
}

make_machines() {
  gcloud compute instances create "$@" --project="$PROJECT" --zone="$ZONE" "${MACHINE[@]}" >&2
}

drop_machines() {
  gcloud compute instances delete "$@" --project="$PROJECT" --zone="$ZONE" --quiet >&2
}

clean_up() { :; }

# Runs a command on a machine.
on() {
  gcloud compute ssh "$1" --project="$PROJECT" --zone="$ZONE" --quiet \
    "${KEEPALIVE[@]/#/--ssh-flag=}" --command="$2" < /dev/null
}

# Copies a file to a machine: FILE NAME PATH.
send() {
  gcloud compute scp "$1" "$2:$3" --project="$PROJECT" --zone="$ZONE" --quiet \
    "${KEEPALIVE[@]/#/--scp-flag=}" < /dev/null
}

# ---- What is done; each word of the command line is a function ----------------------------------

POLL_SECONDS=${POLL_SECONDS:-60}
MOST_SILENT=20 # looks at which a machine does not answer, before another takes its place
MOST_STARTS=3  # of one machine
LOGS=${LOGS:-$PREFIX-logs}
# To whom a machine that went away in the middle is not silent for ever: ssh ends in a minute.
KEEPALIVE=(-oConnectTimeout=30 -oServerAliveInterval=15 -oServerAliveCountMax=4)
NAMES=()
for ((i = 0; i < COUNT; i++)); do NAMES+=("$PREFIX-$i"); done

# Nobody may be there to hear it: that ends nothing.
say() { printf '%s\n' "$*" >&2 || true; }

# Says it; where nobody hears any more, all that is said goes to a file from here on: gcloud, which
# cannot write a word, would fail.
say_or_keep() {
  if { printf '%s\n' "$*" >&2; } then return; fi
  mkdir -p "$LOGS" || true
  { exec >> "$LOGS/delete.log" 2>&1; } || exec > /dev/null 2>&1
  say "$*"
}

# Makes the machines that are not there.
create() {
  local found name missing=()
  found=$(list_machines)
  for name in "${NAMES[@]}"; do
    grep -q "^$name " <<< "$found" || missing+=("$name")
  done
  if [ "${#missing[@]}" -gt 0 ]; then
    forget "${missing[@]}"
    make_machines "${missing[@]}"
  fi
}

# That machines were up: a file of each, for a watch that is started again.
forget() {
  local name
  for name in "$@"; do rm -f "$LOGS/$name.seen"; done
}

# Copies the code to the machines named, or to all, and installs what it needs.
install() {
  local archive
  if [ $# != 1 ]; then at_once install "$@"; return; fi
  git -C "$CHECKOUT" cat-file -e "$REVISION:experiments/cloud/job.sh"
  wait_for "$1"
  archive=$(mktemp "${TMPDIR:-/tmp}/cnnjax.XXXXXX")
  git -C "$CHECKOUT" archive --format=tar.gz "$REVISION" > "$archive"
  send "$archive" "$1" cnnjax.tar.gz || { rm -f "$archive"; return 1; }
  rm -f "$archive"
  on "$1" "mkdir -p cnnjax && tar -xzf cnnjax.tar.gz -C cnnjax && bash cnnjax/$JOB install"
}

# Starts the command on the machines named, or on all, where it does not run.
start() {
  if [ $# != 1 ]; then at_once start "$@"; return; fi
  on "$1" "cd cnnjax && { RUNS='$RUNS' nohup bash $JOB run $COMMAND >> job.log 2>&1 < /dev/null & }"
}

# Does to each machine named, or to all, what a word says.
at_once() {
  local word=$1 name pid failed=0 pids=()
  shift
  [ $# -gt 0 ] || set -- "${NAMES[@]}"
  for name in "$@"; do
    bash "$0" "$word" "$name" &
    pids+=("$!")
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  return "$failed"
}

# Until a machine answers.
wait_for() {
  local try
  for ((try = 0; try < MOST_SILENT; try++)); do
    if on "$1" true > /dev/null 2>&1; then return; fi
    say "$1 does not answer yet"
    sleep "$POLL_SECONDS"
  done
  return 1
}

# What the command does on a machine; empty where that does not answer.
ask() {
  local said one
  said=$(on "$1" "if [ -f cnnjax/$JOB ]; then bash cnnjax/$JOB ask; else echo absent; fi" \
    2> /dev/null | tr -d '\r' | grep -E '^(absent|stopped|training|ended [0-9]+)$' | sort -u) || true
  for one in absent stopped training; do # what one of several hosts says counts for all
    if grep -q "^$one$" <<< "$said"; then echo "$one"; return; fi
  done
  tail -n 1 <<< "$said"
}

# Until the command has ended everywhere: makes machines that are gone again, starts it on those on
# which it does not run. Status 0 if it ended with 0 on one, for then all is recorded.
watch() {
  local found i left
  mkdir -p "$LOGS"
  DONE='' WORKER=() SILENT=() STARTS=() SAID=()
  for i in "${!NAMES[@]}"; do WORKER[i]=0 SILENT[i]=0 STARTS[i]=0 SAID[i]=''; done
  while :; do
    left=0
    if found=$(list_machines); then
      for i in "${!NAMES[@]}"; do
        look "$i" "$(sed -n "s/^${NAMES[i]} //p" <<< "$found")" || left=$((left + 1))
      done
      say "$(date +%H:%M:%S) ${SAID[*]}"
      [ "$left" -gt 0 ] || break
    else
      say "nobody says which machines there are: asking again"
    fi
    sleep "$POLL_SECONDS"
  done
  for i in "${!NAMES[@]}"; do
    on "${NAMES[i]}" 'cat cnnjax/job.log' > "$LOGS/${NAMES[i]}.log" 2> /dev/null || true
  done
  if [ -z "$DONE" ]; then say "not all is recorded: $LOGS has what was said"; return 1; fi
  say "all is recorded in $RUNS"
}

# Brings machine number $1, which is in state $2, one step further. Status 0 where nothing is left
# to be done with it.
look() {
  local i=$1 name=${NAMES[$1]} said=$2
  if [ "$said" = up ]; then
    : > "$LOGS/$name.seen"
    said=$(ask "$name")
    if [ -n "$said" ]; then SILENT[i]=0; else SILENT[i]=$((SILENT[i] + 1)); said=silent; fi
    if [ "${SILENT[i]}" -gt "$MOST_SILENT" ]; then said=lost; fi
  elif [ "$said" = coming ] && [ -f "$LOGS/$name.seen" ]; then
    said=lost # it was up before: it is going
  fi
  SAID[i]="$name: ${said:-gone};"
  case ${said:-gone} in
    'ended 0') DONE=1; return 0 ;;
    ended*) return 0 ;;
    lost | gone) [ -z "$DONE" ] || return 0; replace "$i" "${said:-gone}"; return 1 ;;
    absent | stopped) [ -z "$DONE" ] || return 0; set_going "$i" "$said" ;;
    coming) [ -n "$DONE" ] ;;
    *) return 1 ;;
  esac
}

# Makes machine number $1 again.
replace() {
  local i=$1 name=${NAMES[$1]}
  say "$name is $2: it is made again"
  if [ "${WORKER[i]}" != 0 ]; then kill "${WORKER[i]}" 2> /dev/null || true; fi
  WORKER[i]=0 SILENT[i]=0 STARTS[i]=0
  if [ "$2" = lost ]; then drop_machines "$name" || return 0; fi
  forget "$name"
  make_machines "$name" || say "$name cannot be made now"
}

# Installs and starts on machine number $1, in the background. Status 0 where that was tried too
# often.
set_going() {
  local i=$1 name=${NAMES[$1]}
  if [ "${WORKER[i]}" != 0 ] && kill -0 "${WORKER[i]}" 2> /dev/null; then
    SAID[i]="$name: setting up;"
    return 1
  fi
  if [ "${STARTS[i]}" -ge "$MOST_STARTS" ]; then
    SAID[i]="$name: given up, see $LOGS/$name.start.log;"
    return 0
  fi
  STARTS[i]=$((STARTS[i] + 1))
  SAID[i]="$name: setting up;"
  bash "$0" set_up "$name" "$2" >> "$LOGS/$name.start.log" 2>&1 &
  WORKER[i]=$!
  return 1
}

# In a process of its own, for set_going.
set_up() {
  if [ "$2" != stopped ]; then install "$1"; fi
  start "$1"
}

# Deletes all that is there; a second time there is nothing to do.
delete() {
  local found names try
  trap '' PIPE
  for try in 1 2 3 4 5; do
    say_or_keep "deleting all machines of $PREFIX, try $try; wait for it"
    if found=$(list_machines); then
      names=$(cut -d ' ' -f 1 <<< "$found")
      if [ -z "$names" ]; then
        clean_up || break
        forget "${NAMES[@]}"
        say "no machine of $PREFIX is there"
        return 0
      fi
      # shellcheck disable=SC2086  # names have no blanks
      drop_machines $names || true
    fi
    [ "$try" = 1 ] || sleep "$POLL_SECONDS"
  done
  say "NOT ALL IS DELETED, and what is left costs money: bash $0 delete"
  return 1
}

# From nothing to nothing: the machines are deleted at the end, also after an error or Ctrl-C.
all() {
  trap 'leave $?' EXIT
  trap 'exit 130' INT
  trap 'exit 141' PIPE
  trap 'exit 143' TERM HUP
  create || say "not all machines could be made: watch tries again"
  if [ -z "$(list_machines)" ]; then say "no machine could be made"; return 1; fi
  watch
}

leave() {
  local i
  trap '' PIPE INT TERM HUP # a terminal that goes sends several, one after another
  trap - EXIT
  for i in "${!WORKER[@]}"; do
    if [ "${WORKER[i]}" != 0 ]; then kill "${WORKER[i]}" 2> /dev/null || true; fi
  done
  delete || exit 1
  exit "$1"
}

WORKER=(0)
case ${1:-} in
  create | install | start | watch | delete | all | set_up) "$@" ;;
  *) say "bash $0 create|install|start|watch|delete|all"; exit 2 ;;
esac
