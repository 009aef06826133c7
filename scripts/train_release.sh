#!/usr/bin/env bash
# Renders a tone bank, trains the codec, scores it and writes a release, on one machine with a GPU, without network:
#
#     scripts/train_release.sh OUT
#
#   OUT/dataset/tones   the tone bank          OUT/run      checkpoints and logs
#   OUT/given           conversions and scores of the pairs in PAIRS
#   OUT/release         fp16 weights in files below 16 MiB, model card with scores of held-out splits, six conversions
#
# This makes the release the default codec, and puts its figures into the README:
#     python scripts/install_release.py OUT/release
#
# The script may be interrupted at any point. Called again, it resumes. Each training command takes less than ten
# minutes: SIGTERM stops it, it saves a checkpoint, and the next command resumes from that.
#
# Environment, all optional:
#   PYTHON    python with torch (default: .venv/bin/python, else python3)
#   WHEELS    folder of wheels: they are installed into OUT/venv, beside the torch that PYTHON has.
#             To fill it on a machine with network, the same Python and torch: scripts/carry.sh WHEELS DEBS
#   DEBS      folder of .deb files of synths (amsynth, zynaddsubfx-vst, zynaddsubfx-data), unpacked to / (needs root)
#   DATASET   config of the dataset (configs/release.yaml)      TRAIN    config of the run (configs/train/release.yaml)
#   PAIRS     folder of pairs: NAME_orig.wav, NAME_ref.wav, NAME_gt.wav, and NAME_SYSTEM.wav of other systems
#   COMMANDS  number of training commands (3)                   COMMAND_S  time limit of each in seconds (560)
#   NOTE      what the release is, for its card
#   SCORED    pairs to score for each kind and split (64)       EVERY    keep every N-th semitone (1)
set -euo pipefail
out=$(mkdir -p "${1:?usage: scripts/train_release.sh OUT}" && cd "$1" && pwd)
cd "$(dirname "$0")/.."
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || command -v python3)}
say() { printf '== %s\n' "$*" >&2; }

if [ -n "${DEBS:-}" ]; then
  say "unpacking synths from $DEBS"
  for deb in "$DEBS"/*.deb; do dpkg -x "$deb" /; done
  for plugin in /usr/lib/vst/amsynth_vst.so /usr/lib/vst/ZynAddSubFX.so; do
    [ ! -f "$plugin" ] || ! ldd "$plugin" | grep 'not found' || say "$plugin needs these libraries; add their .deb files to $DEBS"
  done
fi
if [ -n "${WHEELS:-}" ]; then
  say "installing wheels from $WHEELS"
  if [ ! -x "$out/venv/bin/python" ]; then
    packages=$("$python" -c 'import importlib.util as u, pathlib; print(pathlib.Path(u.find_spec("torch").origin).parents[1])')
    "$python" -m venv "$out/venv"
    # If PYTHON is itself a virtual environment, --system-site-packages would not find its torch.
    echo "$packages" > "$("$out/venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')/carried.pth"
  fi
  python=$out/venv/bin/python
  "$python" -m pip install -q --disable-pip-version-check --no-index --find-links "$WHEELS" -e '.[render,train]'
fi

cores=$(getconf _NPROCESSORS_ONLN)
say "rendering the tone bank on $cores cores"
"$python" -m render plan "${DATASET:-configs/release.yaml}" --out "$out/dataset"
"$python" -m render tones "$out/dataset" --workers "$cores" --every "${EVERY:-1}"
bank=$out/dataset/tones
"$python" -m manifests audit "$bank" --hash

for part in $(seq "${COMMANDS:-3}"); do
  say "training, command $part of ${COMMANDS:-3}"
  status=0
  timeout --signal=TERM --kill-after=60 "${COMMAND_S:-560}" \
    "$python" -m train fit "${TRAIN:-configs/train/release.yaml}" --data "$bank" --out "$out/run" || status=$?
  # 124: the time limit was reached, and the next command resumes. 0: the schedule is complete.
  [ "$status" = 0 ] && break
  [ "$status" = 124 ] || exit "$status"
done
best=$out/run/best.safetensors
[ -f "$best" ] || best=$out/run/last.safetensors

if [ -n "${PAIRS:-}" ]; then
  say "converting and scoring the pairs in $PAIRS"
  mkdir -p "$out/given/files"
  cp -f "$PAIRS"/*.wav "$out/given/files/"
  for source in "$out"/given/files/*_orig.wav; do
    pair=${source%_orig.wav}
    [ -f "${pair}_triptych.wav" ] || "$python" -m train convert --checkpoint "$best" \
      --source "$source" --reference "${pair}_ref.wav" --out "${pair}_triptych.wav"
  done
  "$python" -m train evaluate --folder "$out/given/files" --roles source=orig,reference=ref,target=gt \
    --out "$out/given/scores"
fi

say "scoring held-out splits, and writing the release to $out/release"
"$python" -m train release --checkpoint "$best" --data "$bank" --out "$out/release" --pairs "${SCORED:-64}" \
  --config "${DATASET:-configs/release.yaml}" --note "${NOTE:-Trained by scripts/train_release.sh.}" \
  --recipe "DATASET=${DATASET:-configs/release.yaml} TRAIN=${TRAIN:-configs/train/release.yaml} scripts/train_release.sh OUT"
