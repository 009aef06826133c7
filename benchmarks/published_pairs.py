"""Checks our metrics against an independent implementation, on the published pairs of SynthCloner.

    python -m benchmarks.published_pairs exchange FOLDER independent.csv
    python -m benchmarks.published_pairs independent FOLDER independent.csv     (in a venv of its own)
    python -m benchmarks.published_pairs compare FOLDER independent.csv [--grid-s 0.25]

FOLDER holds `{pair}_{orig,ref,gt}.wav` and `{pair}_{system}.wav`. It is not part of this repository.

1. exchange writes pitch tracks and onsets of our trackers to a .npz file beside the CSV. Trackers are no part
   of the metrics' definitions, so both sides use the same ones.
2. independent computes the metrics without our code. It needs librosa (STFT, RMS, mel filters), scipy (DCT),
   mir_eval (onset matching, raw pitch and chroma accuracy), pyloudnorm (BS.1770) and soundfile.
3. compare computes them with our code, and prints the largest deviation of each. With `--grid-s` it also
   scores the transplant from notes quantised to the dataset's time grid, which are close to the true notes.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

ROLES = {"source": "orig", "reference": "ref", "target": "gt"}


def list_systems(folder: Path) -> dict[str, list[str]]:
    """Returns the systems of each pair: the suffixes of its files except `gt`, and `silence`."""
    pairs: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.wav")):
        pair, _, system = path.stem.partition("_")
        pairs.setdefault(pair, []).append(system)
    return {pair: [*(s for s in systems if s != "gt"), "silence"] for pair, systems in pairs.items()}


def independent(folder: Path, out: Path) -> None:
    """Scores all pairs with librosa, mir_eval and pyloudnorm.

    Writes rows `pair,system,metric,value` to `out`.
    """
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
        loudness = pyloudnorm.Meter(rate, filter_class="DeMan").integrated_loudness(x)
        return max(float(loudness), -70.0) if np.isfinite(loudness) else -70.0

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
            rms, target_rms = (float(np.sqrt(np.mean(x**2))) for x in (estimate, target))
            matched = estimate * (target_rms / rms) if min(rms, target_rms) >= 1e-5 else estimate
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
            both = tracks[f"{pair}_gt.track"], tracks[f"{pair}_{system}.track"]
            cents = [np.where(track[1] > 0, 100.0 * track[0], 0.0) for track in both]
            voiced = [track[1] > 0 for track in both]
            if voiced[0].any():
                for name, accuracy in (
                    ("f_pitch", mir_eval.melody.raw_pitch_accuracy),
                    ("f_pitch_chroma", mir_eval.melody.raw_chroma_accuracy),
                ):
                    # Raw accuracy is hits over voiced target frames. It also counts pitches of the
                    # estimate's unvoiced frames, so these are removed first.
                    voiced_cents = np.where(voiced[1], cents[1], 0.0)
                    share = accuracy(voiced[0], cents[0], voiced[1], voiced_cents, cent_tolerance=50.0 + 1e-9)
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
    """Writes pitch tracks and onsets of our trackers to the .npz file `out`.

    For each sound it holds `{pair}_{system}.track`, float64 [2, frames] of MIDI pitch and voicing (0 or 1),
    and `{pair}_{system}.onsets`, float64 [onsets] in seconds.
    """
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
                audio, file_rate = read_audio(folder / f"{pair}_{system}.wav")
                audio = resample(audio, file_rate, rate)
            fitted = fit_length(audio.astype(np.float64), len(target))
            track = track_pitch(fitted, rate)
            arrays[f"{pair}_{system}.track"] = np.stack([track.midi, track.voiced.astype(np.float64)])
            arrays[f"{pair}_{system}.onsets"] = detect_onsets(fitted, rate)
    with out.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    print(f"{out}: {len(arrays)} arrays")


def compare(folder: Path, independent_csv: Path, grid_s: float | None) -> None:
    """Prints the largest relative deviation of each metric from the independent scores, and our mean scores.

    With `grid_s`, also scores the transplant on a time grid of that many seconds.
    """
    from train.evaluation.files import group_by_pair, read_trial, scan_folder
    from train.evaluation.trial import score_trial

    names = {"copy_of_source": "orig", "copy_of_reference": "ref"}
    independent_scores = {}
    with independent_csv.open(newline="") as file:
        for row in csv.DictReader(file):
            independent_scores[row["pair"], row["system"], row["metric"]] = float(row["value"])
    worst: dict[str, tuple[float, str]] = {}
    means: dict[tuple[str, str], list[float]] = {}
    rows, _ = scan_folder(folder, "{pair}_{system}", {})
    missing = set(independent_scores)
    for group in group_by_pair(rows):
        pair = group[0]["pair"]
        for score in score_trial(read_trial(folder, group)):
            if np.isfinite(score.value):
                means.setdefault((score.method, score.metric), []).append(score.value)
            key = (pair, names.get(score.method, score.method), score.metric)
            if key not in independent_scores:
                continue
            missing.discard(key)
            other = independent_scores[key]
            deviation = abs(score.value - other) / max(abs(other), 1e-3)
            if deviation >= worst.get(score.metric, (-1.0, ""))[0]:
                detail = f"{pair} {score.method}: ours {score.value:.5g}, independent {other:.5g}"
                worst[score.metric] = (deviation, detail)
    total = len(independent_scores)
    print(
        f"{total - len(missing)} of {total} independent scores compared; largest deviation of each metric:\n"
    )
    for metric, (deviation, detail) in worst.items():
        print(f"{metric:28s} {100 * deviation:8.4f}%   {detail}")
    shown = ["mstft", "mstft_floored", "mstft_floored_high", "lrmsd", "lrmsd_floored"]
    shown += ["envelope_db", "timbre", "mfcc_db", "f_pitch", "onset_f1"]
    print("\n| method | " + " | ".join(shown) + " |")
    for method in dict.fromkeys(method for method, _ in means):
        cells = [f"{np.mean(means[method, m]):.2f}" if (method, m) in means else "" for m in shown]
        print(f"| {method} | " + " | ".join(cells) + " |")
    if grid_s:
        score_transplant_on_grid(folder, grid_s)


def score_transplant_on_grid(folder: Path, grid_s: float) -> None:
    """Prints the mean score of the transplant from notes on a grid of `grid_s` seconds."""
    from manifests.types import Note, Notes
    from train.audio.files import read_audio
    from train.evaluation.transplant import AnnotatedAudio, transplant
    from train.metrics import score, spectral_features
    from train.metrics.envelope import measure_envelope
    from train.metrics.features import AudioFeatures
    from train.metrics.transcribe import transcribe

    def notes_of(audio: np.ndarray, rate: int) -> Notes:
        """Transcribes notes and quantises their onsets to the grid; each lasts until the next one.

        Notes that begin 30 ms or more from the grid are left out.
        """
        note_at: dict[int, Note] = {}
        for note in transcribe(AudioFeatures(audio, rate)):
            slot = round(note.onset / grid_s)
            if abs(note.onset - slot * grid_s) < 0.03:
                note_at.setdefault(slot, note)
        slots = sorted(note_at)
        ends = [*slots[1:], round(len(audio) / rate / grid_s)]
        return tuple(
            Note(a * grid_s, (b - a) * grid_s, note_at[a].pitch, note_at[a].velocity)
            for a, b in zip(slots, ends, strict=True)
        )

    values = []
    for pair in list_systems(folder):
        target, rate = read_audio(folder / f"{pair}_gt.wav")
        reference, _ = read_audio(folder / f"{pair}_ref.wav")
        target_notes, reference_notes = notes_of(target, rate), notes_of(reference, rate)
        measured = measure_envelope(reference, reference_notes, rate, 5.0)
        assert measured is not None
        estimate = transplant(
            target_notes,
            measured.envelope,
            AnnotatedAudio(reference, reference_notes, measured.envelope),
            rate,
            len(target),
            5.0,
            1.0,
        )
        values.append(score(spectral_features(estimate), spectral_features(target))["mstft_floored"])
    of_pairs = ", ".join(f"{value:.2f}" for value in values)
    print(f"\ntransplant from notes on the grid: mstft_floored {np.mean(values):.2f} ({of_pairs})")


def main() -> None:
    """Runs one of the three commands."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("exchange", "independent", "compare"), help="see above")
    parser.add_argument("folder", type=Path, help="folder of the published pairs")
    parser.add_argument(
        "scores", type=Path, nargs="?", default=Path("independent.csv"), help="CSV file of independent scores"
    )
    parser.add_argument("--grid-s", type=float, help="step of the time grid in seconds")
    args = parser.parse_args()
    if args.command == "exchange":
        exchange(args.folder, args.scores.with_suffix(".npz"))
    elif args.command == "independent":
        independent(args.folder, args.scores)
    else:
        compare(args.folder, args.scores, args.grid_s)


if __name__ == "__main__":
    main()
