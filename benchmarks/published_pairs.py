"""The published pairs of SynthCloner, scored by us and by an independent implementation of the definitions.

    python -m benchmarks.published_pairs exchange FOLDER theirs.csv
    python -m benchmarks.published_pairs independent FOLDER theirs.csv     (in a venv of its own)
    python -m benchmarks.published_pairs compare FOLDER theirs.csv [--grid-s 0.25]

FOLDER holds `{pair}_{orig,ref,gt}.wav` and `{pair}_{system}.wav`; it is not part of this repository. The
second command imports nothing of ours: librosa (STFT, RMS, mel filters), scipy (DCT), mir_eval (onset
matching, raw pitch and chroma accuracy), pyloudnorm (BS.1770), soundfile. Trackers and detectors are not
metrics: pitch tracks and onsets are exchanged by the first command, beside the CSV, so that definitions
are compared. The third scores with our code and prints the largest deviation; with `--grid-s` it also
scores the transplant from notes put on the dataset's time grid, as near to true notes as audio gets.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

ROLES = {"source": "orig", "reference": "ref", "target": "gt"}


def list_systems(folder: Path) -> dict[str, list[str]]:
    """Each pair's systems, the copies and silence among them."""
    pairs: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.wav")):
        pair, _, system = path.stem.partition("_")
        pairs.setdefault(pair, []).append(system)
    return {pair: [*(s for s in systems if s != "gt"), "silence"] for pair, systems in pairs.items()}


def independent(folder: Path, out: Path) -> None:
    """Scores by librosa, mir_eval and pyloudnorm; `out` gets pair, system, metric, value."""
    import librosa
    import mir_eval
    import pyloudnorm
    import soundfile

    def load(pair: str, system: str, length: int) -> np.ndarray:
        if system == "silence":
            return np.zeros(length)
        audio, _ = soundfile.read(folder / f"{pair}_{system}.wav")
        mono = audio if audio.ndim == 1 else audio.mean(axis=1)
        return mono if not length else np.asarray(librosa.util.fix_length(mono, size=length))

    def mstft(a: np.ndarray, b: np.ndarray, floor: float) -> float:
        total = 0.0
        for window in (2048, 512):
            m, n = (
                np.abs(librosa.stft(x, n_fft=window, hop_length=window // 4, pad_mode="reflect"))
                for x in (a, b)
            )
            logs = np.log10(np.maximum(m, floor) ** 2) - np.log10(np.maximum(n, floor) ** 2)
            total += np.mean(np.abs(logs)) + np.mean(np.abs(m - n))
        return float(total)

    def lrmsd(a: np.ndarray, b: np.ndarray, epsilon: float) -> float:
        m, n = (librosa.feature.rms(y=x, frame_length=2048, hop_length=512)[0] for x in (a, b))
        return float(np.mean(np.abs(np.log(m + epsilon) - np.log(n + epsilon))))

    def lufs(x: np.ndarray, rate: int) -> float:
        found = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(x)
        return max(float(found), -70.0) if np.isfinite(found) else -70.0

    def mfcc(x: np.ndarray, rate: int) -> np.ndarray | None:
        if np.sqrt(np.mean(x**2)) < 1e-5:
            return None
        spectrum = np.abs(
            librosa.stft(x, n_fft=2048, hop_length=512, window=np.hanning(2048), pad_mode="constant")
        )
        filters = librosa.filters.mel(
            sr=rate, n_fft=2048, n_mels=80, fmin=40.0, fmax=16_000.0, htk=True, norm=None
        )
        power = (filters / filters.sum(axis=1, keepdims=True)) @ spectrum**2
        energy = power.sum(axis=0)
        power = power[:, energy > energy.max() * 10**-2.5]
        level = 10 * np.log10(power + 1e-6 * power.max(axis=0))
        import scipy.fft

        return np.asarray(scipy.fft.dct(level.mean(axis=1), type=2, norm="ortho")[1:14])

    tracks = dict(np.load(out.with_suffix(".npz")))
    rows = []
    for pair, systems in list_systems(folder).items():
        target, rate = soundfile.read(folder / f"{pair}_gt.wav")
        for system in systems:
            estimate = load(pair, system, len(target))
            rms, wanted = (float(np.sqrt(np.mean(x**2))) for x in (estimate, target))
            matched = estimate * (wanted / rms) if min(rms, wanted) >= 1e-5 else estimate
            values = {}
            for suffix, x in (("", estimate), ("_matched", matched)):
                for name, floor in (("", 1e-5), ("_floored", 1e-3), ("_floored_high", 1e-1)):
                    values[f"mstft{name}{suffix}"] = mstft(x, target, floor)
                for name, epsilon in (("", 1e-8), ("_floored", 1e-3)):
                    values[f"lrmsd{name}{suffix}"] = lrmsd(x, target, epsilon)
            values["loudness_lu"] = abs(lufs(estimate, rate) - lufs(target, rate))
            a, b = mfcc(estimate, rate), mfcc(target, rate)
            if a is not None and b is not None:
                values["mfcc_db"] = float(np.sqrt(np.mean((a - b) ** 2)))
            theirs, ours = tracks[f"{pair}_gt.track"], tracks[f"{pair}_{system}.track"]
            cents = [np.where(x[1] > 0, 100.0 * x[0], 0.0) for x in (theirs, ours)]
            voiced = [x[1] > 0 for x in (theirs, ours)]
            if voiced[0].any():
                for name, accuracy in (
                    ("f_pitch", mir_eval.melody.raw_pitch_accuracy),
                    ("f_pitch_chroma", mir_eval.melody.raw_chroma_accuracy),
                ):
                    # raw accuracy is hits over voiced target frames, and counts pitches of unvoiced
                    # estimate frames too: those are taken out first
                    kept = np.where(voiced[1], cents[1], 0.0)
                    share = accuracy(voiced[0], cents[0], voiced[1], kept, cent_tolerance=50.0 + 1e-9)
                    hits = share * voiced[0].sum()
                    values[name] = 2 * hits / (voiced[0].sum() + voiced[1].sum())
            onsets = [tracks[f"{pair}_{name}.onsets"] for name in ("gt", system)]
            if len(onsets[0]):
                values["onset_f1"] = (
                    mir_eval.onset.f_measure(*onsets, window=0.05)[0] if len(onsets[1]) else 0.0
                )
            rows += [(pair, system, metric, value) for metric, value in values.items()]
    with out.open("w", newline="") as file:
        csv.writer(file).writerows([("pair", "system", "metric", "value"), *rows])
    print(f"{out}: {len(rows)} scores")


def exchange(folder: Path, out: Path) -> None:
    """Pitch tracks and onsets by our trackers, for the independent side."""
    from train.audio.files import read_audio
    from train.audio.resampling import resample
    from train.metrics import fit_length
    from train.metrics.onsets import detect_onsets
    from train.metrics.tracker import track_pitch

    arrays = {}
    for pair, systems in list_systems(folder).items():
        target, rate = read_audio(folder / f"{pair}_gt.wav")
        for system in ["gt", *systems]:
            audio = np.zeros(len(target), dtype=np.float32)
            if system != "silence":
                audio, found = read_audio(folder / f"{pair}_{system}.wav")
                audio = resample(audio, found, rate)
            fitted = fit_length(audio.astype(np.float64), len(target))
            heard = track_pitch(fitted, rate)
            arrays[f"{pair}_{system}.track"] = np.stack([heard.midi, heard.voiced.astype(np.float64)])
            arrays[f"{pair}_{system}.onsets"] = detect_onsets(fitted, rate)
    with out.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    print(f"{out}: {len(arrays)} arrays")


def compare(folder: Path, theirs: Path, grid_s: float | None) -> None:
    """Prints our scores, the independent ones and the largest relative deviation of each metric."""
    from train.evaluation.files import group_by_pair, read_trial, scan_folder
    from train.evaluation.trial import score_trial

    names = {"copy_of_source": "orig", "copy_of_reference": "ref"}
    found = {}
    with theirs.open(newline="") as file:
        for row in csv.DictReader(file):
            found[row["pair"], row["system"], row["metric"]] = float(row["value"])
    worst: dict[str, tuple[float, str]] = {}
    means: dict[tuple[str, str], list[float]] = {}
    rows, _ = scan_folder(folder, "{pair}_{system}", {})
    missing = set(found)
    for group in group_by_pair(rows):
        pair = group[0]["pair"]
        for score in score_trial(read_trial(folder, group)):
            if np.isfinite(score.value):
                means.setdefault((score.method, score.metric), []).append(score.value)
            key = (pair, names.get(score.method, score.method), score.metric)
            if key not in found:
                continue
            missing.discard(key)
            other = found[key]
            apart = abs(score.value - other) / max(abs(other), 1e-3)
            if apart >= worst.get(score.metric, (-1.0, ""))[0]:
                words = f"{pair} {score.method}: ours {score.value:.5g}, independent {other:.5g}"
                worst[score.metric] = (apart, words)
    print(f"{len(found) - len(missing)} of {len(found)} independent scores compared\n")
    for metric, (apart, words) in worst.items():
        print(f"{metric:28s} {100 * apart:8.4f}% at most   {words}")
    shown = ["mstft", "mstft_floored", "mstft_floored_high", "lrmsd", "lrmsd_floored"]
    shown += ["envelope_db", "timbre", "mfcc_db", "f_pitch", "onset_f1"]
    print("\n| method | " + " | ".join(shown) + " |")
    for method in dict.fromkeys(method for method, _ in means):
        cells = [f"{np.mean(means[method, m]):.2f}" if (method, m) in means else "" for m in shown]
        print(f"| {method} | " + " | ".join(cells) + " |")
    if grid_s:
        score_transplant_on_grid(folder, grid_s)


def score_transplant_on_grid(folder: Path, grid_s: float) -> None:
    """The transplant from notes on the grid: pitches and rhythm of the target and of the reference."""
    from manifests.types import Note, Notes
    from train.audio.files import read_audio
    from train.evaluation.transplant import AnnotatedAudio, transplant
    from train.metrics import score, spectral_features
    from train.metrics.envelope import measure_envelope
    from train.metrics.features import AudioFeatures
    from train.metrics.transcribe import transcribe

    def notes_of(audio: np.ndarray, rate: int) -> Notes:
        """Transcribed notes with onsets on the grid, legato up to the next one unless the sound stops."""
        found: dict[int, Note] = {}
        for note in transcribe(AudioFeatures(audio, rate)):
            slot = round(note.onset / grid_s)
            if abs(note.onset - slot * grid_s) < 0.03:
                found.setdefault(slot, note)
        slots = sorted(found)
        ends = [*slots[1:], round(len(audio) / rate / grid_s)]
        return tuple(
            Note(a * grid_s, (b - a) * grid_s, found[a].pitch, found[a].velocity)
            for a, b in zip(slots, ends, strict=True)
        )

    values = []
    for pair in list_systems(folder):
        target, rate = read_audio(folder / f"{pair}_gt.wav")
        reference, _ = read_audio(folder / f"{pair}_ref.wav")
        notes, theirs = notes_of(target, rate), notes_of(reference, rate)
        donor = measure_envelope(reference, theirs, rate, 5.0)
        assert donor is not None
        made = transplant(
            notes,
            donor.envelope,
            AnnotatedAudio(reference, theirs, donor.envelope),
            rate,
            len(target),
            5.0,
            1.0,
        )
        values.append(score(spectral_features(made), spectral_features(target))["mstft_floored"])
    words = ", ".join(f"{value:.2f}" for value in values)
    print(
        f"\ntransplant, the target's and reference's notes on the grid: mstft_floored"
        f" {np.mean(values):.2f} ({words})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("exchange", "independent", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("theirs", type=Path, nargs="?", default=Path("theirs.csv"))
    parser.add_argument("--grid-s", type=float)
    args = parser.parse_args()
    if args.what == "exchange":
        exchange(args.folder, args.theirs.with_suffix(".npz"))
    elif args.what == "independent":
        independent(args.folder, args.theirs)
    else:
        compare(args.folder, args.theirs, args.grid_s)


if __name__ == "__main__":
    main()
