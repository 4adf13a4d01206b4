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
