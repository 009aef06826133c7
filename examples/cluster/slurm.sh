#!/bin/bash
# sbatch examples/cluster/slurm.sh DIR: an array of 100 jobs renders a planned folder on a shared file system.
# Send it again to go on after failures or pre-emption. The first job to start casts the timbres.
#SBATCH --job-name=triptych
#SBATCH --array=0-99
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
set -euo pipefail
exec python -m render run "$1" --workers "$SLURM_CPUS_PER_TASK" \
  --task-index "$SLURM_ARRAY_TASK_ID" --task-count "$SLURM_ARRAY_TASK_COUNT"
