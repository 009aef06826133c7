#!/bin/bash
# sbatch examples/cluster/slurm.sh DIR: renders the planned dataset DIR with an array of 100 jobs.
# DIR must be on a shared file system. After failures or pre-emption, submit it again to resume.
# The array may have any numbers, such as 1-5 or 5,17.
# The first job to start selects the timbres and renders their tones.
#SBATCH --job-name=triptych
#SBATCH --array=0-99
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=04:00:00
set -euo pipefail
exec python -m render run "$1" --workers "$SLURM_CPUS_PER_TASK" \
  --task-index "$SLURM_ARRAY_TASK_ID" --task-count "$SLURM_ARRAY_TASK_COUNT"
