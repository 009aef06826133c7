#!/bin/bash
# examples/cluster/dask.sh DIR HOST...: workers on hosts reached by ssh, one thread each, 8 processes a host.
set -euo pipefail
folder=$1; shift
port=8786
dask scheduler --host "$(hostname -f)" --port $port & scheduler=$!
trap 'kill $scheduler' EXIT
for host in "$@"; do
  ssh "$host" "cd '$PWD' && exec dask worker tcp://$(hostname -f):$port --nthreads 1 --nworkers 8" &
done
python -m render run "$folder" --backend dask --address "tcp://$(hostname -f):$port"
