# ---- How the Cloud TPU API is asked: a machine is a queued resource with its node ---------------

# NAME and up, coming or lost, of each machine that there is; fails where nobody answers.
list_machines() {
  gcloud compute tpus queued-resources list --project="$PROJECT" --zone="$ZONE" \
    --format='value(name.basename(),state.state)' |
    while read -r name status; do
      case " ${NAMES[*]} " in
        *" $name "*) ;;
        *) continue ;;
      esac
      case $status in
        ACTIVE) echo "$name up" ;;
        SUSPENDED | FAILED) echo "$name lost" ;; # it holds its quota until it is deleted
        *) echo "$name coming" ;;
      esac
    done
}

make_machines() {
  local name failed=0
  for name in "$@"; do
    gcloud compute tpus queued-resources create "$name" --node-id="$name" \
      --project="$PROJECT" --zone="$ZONE" "${MACHINE[@]}" >&2 || failed=1
  done
  return "$failed"
}

drop_machines() {
  local name pid failed=0 pids=()
  for name in "$@"; do
    gcloud compute tpus queued-resources delete "$name" --project="$PROJECT" --zone="$ZONE" \
      --force --quiet >&2 &
    pids+=("$!")
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  return "$failed"
}

clean_up() { :; }

# Runs a command on each host of a machine.
on() {
  gcloud compute tpus tpu-vm ssh "$1" --project="$PROJECT" --zone="$ZONE" --worker=all --quiet \
    "${KEEPALIVE[@]/#/--ssh-flag=}" --command="$2" < /dev/null
}

# Copies a file to each host of a machine: FILE NAME PATH.
send() {
  gcloud compute tpus tpu-vm scp "$1" "$2:$3" --project="$PROJECT" --zone="$ZONE" --worker=all \
    --quiet "${KEEPALIVE[@]/#/--scp-flag=}" < /dev/null
}
