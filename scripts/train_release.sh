#!/usr/bin/env bash
# From nothing to a codec that can be given away, on one machine with a GPU, all cores, and no network:
#
#     scripts/train_release.sh OUT
#
#   OUT/dataset/tones   the tone bank          OUT/run      checkpoints and logs
#   OUT/scores          on all held-out splits OUT/given    the given pairs, converted and scored
#   OUT/release         fp16 weights below 16 MiB each, card, a dozen conversions; to make it the default codec:
#                       cp OUT/release/{model*.safetensors,README.md} train/released_weights/
#
# It may be stopped at any point, and goes on where it was when it is called again. Each training command stays
# under ten minutes: it is stopped by a signal, which saves everything, and the next one goes on from there.
#
# Environment, all optional:
#   PYTHON    python with torch (default: .venv/bin/python, else python3)
#   WHEELS    folder of wheels carried in: an environment is made from it in OUT/venv, with PYTHON's own torch.
#             On a machine with network, same Python and torch: scripts/carry.sh WHEELS DEBS
#   DEBS      folder of .deb files of synths (amsynth, zynaddsubfx-vst, zynaddsubfx-data): unpacked to / (as root)
#   DATASET   config of the dataset (configs/release.yaml)      TRAIN    config of the run (configs/train/release.yaml)
#   PAIRS     folder of given pairs: NAME_orig.wav, NAME_ref.wav, NAME_gt.wav, and other systems' NAME_SYSTEM.wav
#   COMMANDS  training commands (3)                             COMMAND_S  seconds of each (560)
#   SCORED    pairs of each kind and split that are scored (64) EVERY    keep every N-th semitone (1)
set -euo pipefail
out=$(mkdir -p "${1:?usage: scripts/train_release.sh OUT}" && cd "$1" && pwd)
cd "$(dirname "$0")/.."
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || command -v python3)}
say() { printf '== %s\n' "$*" >&2; }

if [ -n "${DEBS:-}" ]; then
  say "synths from $DEBS"
  for deb in "$DEBS"/*.deb; do dpkg -x "$deb" /; done
  for plugin in /usr/lib/vst/amsynth_vst.so /usr/lib/vst/ZynAddSubFX.so; do
    [ ! -f "$plugin" ] || ! ldd "$plugin" | grep 'not found' || say "$plugin needs these libraries: carry their .deb files, too"
  done
fi
if [ -n "${WHEELS:-}" ]; then
  say "environment from $WHEELS"
  if [ ! -x "$out/venv/bin/python" ]; then
    packages=$("$python" -c 'import importlib.util as u, pathlib; print(pathlib.Path(u.find_spec("torch").origin).parents[1])')
    "$python" -m venv "$out/venv"
    # PYTHON may be an environment of its own, which --system-site-packages would pass over.
    echo "$packages" > "$("$out/venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')/carried.pth"
  fi
  python=$out/venv/bin/python
  "$python" -m pip install -q --disable-pip-version-check --no-index --find-links "$WHEELS" -e '.[render,train]'
fi

cores=$(getconf _NPROCESSORS_ONLN)
say "tone bank, $cores cores"
"$python" -m render plan "${DATASET:-configs/release.yaml}" --out "$out/dataset"
"$python" -m render tones "$out/dataset" --workers "$cores" --every "${EVERY:-1}"
bank=$out/dataset/tones
"$python" -m manifests audit "$bank" --hash

for part in $(seq "${COMMANDS:-3}"); do
  say "training, command $part of ${COMMANDS:-3}"
  status=0
  timeout --signal=TERM --kill-after=60 "${COMMAND_S:-560}" \
    "$python" -m train fit "${TRAIN:-configs/train/release.yaml}" --data "$bank" --out "$out/run" || status=$?
  # 124: its time was over; it has saved, and the next command goes on. 0: its schedule is done.
  [ "$status" = 0 ] && break
  [ "$status" = 124 ] || exit "$status"
done
best=$out/run/best.safetensors
[ -f "$best" ] || best=$out/run/last.safetensors

say "scores on held-out splits"
"$python" -m train evaluate --checkpoint "$best" --data "$bank" --out "$out/scores" --pairs "${SCORED:-64}"

if [ -n "${PAIRS:-}" ]; then
  say "given pairs"
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

say "release"
"$python" -m train release --checkpoint "$best" --data "$bank" --scores "$out/scores" --out "$out/release"
