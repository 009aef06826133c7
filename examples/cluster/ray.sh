#!/bin/bash
# examples/cluster/ray.sh DIR HOST...: renders the planned dataset DIR on a Ray cluster.
# The cluster is this machine and each HOST, over ssh. DIR and this folder must be on a shared file system.
set -euo pipefail
folder=$1; shift
address="$(hostname -i | cut -d' ' -f1):6379"
ray start --head --port 6379 --disable-usage-stats
trap 'for host in "$@"; do ssh "$host" ray stop; done; ray stop' EXIT
for host in "$@"; do ssh "$host" "cd '$PWD' && ray start --address $address"; done
python -m render run "$folder" --backend ray --address "$address"
