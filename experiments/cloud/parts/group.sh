# ---- How Compute Engine is asked: a machine is a managed group of VMs, made all at once ---------

REGION=${ZONE%-*}
TEMPLATE=projects/$PROJECT/regions/$REGION/instanceTemplates/$PREFIX
POLICY=projects/$PROJECT/regions/$REGION/resourcePolicies/$PREFIX

# Name and state of each VM of a group.
list_hosts() {
  gcloud compute instance-groups managed list-instances "$1" --project="$PROJECT" --zone="$ZONE" \
    --format='value(instance.basename(),instanceStatus)'
}

# NAME and up, coming or lost, of each machine that there is; fails where nobody answers.
list_machines() {
  local groups name hosts
  groups=$(gcloud compute instance-groups managed list --project="$PROJECT" --zones="$ZONE" \
    --filter="name~^$PREFIX-" --format='value(name)') || return 1
  for name in $groups; do
    hosts=$(list_hosts "$name") || return 1
    if [ "$(grep -c '[[:space:]]RUNNING$' <<< "$hosts")" = "$HOSTS" ]; then
      echo "$name up"
    elif grep -qE '[[:space:]](STOPPING|STOPPED|SUSPENDED|TERMINATED)$' <<< "$hosts"; then
      echo "$name lost"
    else
      echo "$name coming"
    fi
  done
}

has_policy() {
  [ -n "$(gcloud compute resource-policies list --project="$PROJECT" \
    --filter="name=$PREFIX" --format='value(name)')" ]
}

has_template() {
  [ -n "$(gcloud compute instance-templates list --project="$PROJECT" --regions="$REGION" \
    --filter="name=$PREFIX" --format='value(name)')" ]
}

make_machines() {
  has_policy || gcloud compute resource-policies create workload-policy "$PREFIX" \
    --project="$PROJECT" --region="$REGION" --type=HIGH_THROUGHPUT \
    --accelerator-topology="$TOPOLOGY" >&2 || return 1
  has_template || gcloud compute instance-templates create "$PREFIX" \
    --project="$PROJECT" --instance-template-region="$REGION" "${MACHINE[@]}" >&2 || return 1
  gcloud compute instance-groups managed create "$1" --project="$PROJECT" --zone="$ZONE" \
    --template="$TEMPLATE" --workload-policy="$POLICY" --size="$HOSTS" \
    --target-size-policy-mode=bulk --default-action-on-vm-failure=do-nothing >&2
}

drop_machines() {
  gcloud compute instance-groups managed delete "$@" --project="$PROJECT" --zone="$ZONE" \
    --quiet >&2
}

# What was made for the group.
clean_up() {
  if has_template; then
    gcloud compute instance-templates delete "$PREFIX" --project="$PROJECT" --region="$REGION" \
      --quiet >&2 || return 1
  fi
  if has_policy; then
    gcloud compute resource-policies delete "$PREFIX" --project="$PROJECT" --region="$REGION" \
      --quiet >&2 || return 1
  fi
}

# Calls a function for each VM of a group, all at once: FUNCTION GROUP ARGUMENTS, with the VM's name
# in place of the group's.
for_hosts() {
  local what=$1 host pid hosts failed=0 pids=()
  hosts=$(list_hosts "$2") || return 1
  shift 2
  while read -r host _; do
    "$what" "$host" "$@" &
    pids+=("$!")
  done <<< "$hosts"
  for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
  return "$failed"
}

on_host() {
  gcloud compute ssh "$1" --project="$PROJECT" --zone="$ZONE" --quiet \
    "${KEEPALIVE[@]/#/--ssh-flag=}" --command="$2" < /dev/null
}

send_host() {
  gcloud compute scp "$2" "$1:$3" --project="$PROJECT" --zone="$ZONE" --quiet \
    "${KEEPALIVE[@]/#/--scp-flag=}" < /dev/null
}

# Runs a command on each host of a machine.
on() { for_hosts on_host "$1" "$2"; }

# Copies a file to each host of a machine: FILE NAME PATH.
send() { for_hosts send_host "$2" "$1" "$3"; }
