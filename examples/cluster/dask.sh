#!/bin/bash
# examples/cluster/dask.sh DIR HOST...: renders the planned dataset DIR with Dask.
# It starts 8 workers of one thread on each HOST over ssh. DIR and this folder must be on a shared file system.
set -euo pipefail
folder=$1; shift
port=8786
dask scheduler --host "$(hostname -f)" --port $port & scheduler=$!
trap 'kill $scheduler' EXIT
for host in "$@"; do
  ssh "$host" "cd '$PWD' && exec dask worker tcp://$(hostname -f):$port --nthreads 1 --nworkers 8" &
done
python -m render run "$folder" --backend dask --address "tcp://$(hostname -f):$port"
