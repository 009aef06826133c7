"""Stores a tone set: tones, scales and measurements, in two files (.npy and .json, no pickle)."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.dataset import files
from manifests.dataset.canonical import canonical_json
from manifests.types import InputError

I16 = npt.NDArray[np.int16]
F32 = npt.NDArray[np.float32]


@dataclass(eq=False)
class ToneSet:
    """Holds a timbre's tones: `samples` int16 [tones, frames] and `scales` float32 [tones].

    A tone is samples * scale; its pitch is `lowest_pitch` + index * `step` (MIDI). `rate` is in Hz. `octave`
    is how many octaves above the written note the timbre sounds, `pitch_confidence` the share of tones with
    that octave. `level_variation_db` is the median over tones of the level's standard deviation.
    `fingerprint` is float32 mel levels in dB, `sha256` the hash of samples and scales (little-endian).
    """

    samples: I16
    scales: F32
    lowest_pitch: int
    step: int
    rate: int
    octave: int
    pitch_confidence: float
    level_variation_db: float
    fingerprint: F32
    sha256: str

    @classmethod
    def create(cls, samples: I16, scales: F32, **measured: Any) -> ToneSet:
        """Creates a tone set and computes its hash."""
        return cls(samples=samples, scales=scales, sha256=_sha256(samples, scales), **measured)

    def by_pitch(self) -> dict[int, tuple[I16, float]]:
        """Returns MIDI pitch -> (samples, scale), as `manifests.synthesis.compose.dry` takes it.

        Example: `tones.by_pitch()[60]` is (int16 [frames], float).
        """
        return {
            self.lowest_pitch + index * self.step: (tone, float(scale))
            for index, (tone, scale) in enumerate(zip(self.samples, self.scales, strict=True))
        }

    def save(self, path: Path) -> None:
        """Writes `path`.npy, then `path`.json, whose existence marks the set as complete."""
        buffer = io.BytesIO()
        np.save(buffer, self.samples.astype("<i2", copy=False), allow_pickle=False)
        files.replace(_audio(path), buffer.getvalue())
        metadata = {
            "shape": list(self.samples.shape),
            "scales": [float(scale) for scale in self.scales],
            "lowest_pitch": self.lowest_pitch,
            "step": self.step,
            "rate": self.rate,
            "octave": self.octave,
            "pitch_confidence": self.pitch_confidence,
            "level_variation_db": self.level_variation_db,
            "fingerprint": [float(value) for value in self.fingerprint],
            "sha256": self.sha256,
        }
        files.replace(_metadata(path), canonical_json(metadata))

    @classmethod
    def load(cls, path: Path, mmap: bool = True) -> ToneSet:
        """Reads a saved tone set, by default memory-mapped.

        Shape, type and size are checked; with `mmap=False` the hash too. Raises InputError if the set is
        missing or damaged.

        Example: `ToneSet.load(folder / address, mmap=False).octave`.
        """
        try:
            metadata = json.loads(_metadata(path).read_bytes())
            samples = np.load(_audio(path), mmap_mode="r" if mmap else None, allow_pickle=False)
            if samples.dtype != np.dtype("<i2") or list(samples.shape) != metadata.pop("shape"):
                raise ValueError("the audio's shape or type differs from the .json file")
            scales = np.array(metadata.pop("scales"), dtype=np.float32)
            if len(scales) != len(samples):
                raise ValueError("expected one scale per tone")
            levels = np.array(metadata.pop("fingerprint"), dtype=np.float32)
            loaded = cls(samples=samples, scales=scales, fingerprint=levels, **metadata)
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise InputError(
                f"{path}: damaged or missing tone set ({' '.join(str(error).split())})"
            ) from None
        if not mmap and _sha256(loaded.samples, loaded.scales) != loaded.sha256:
            raise InputError(f"{path}: damaged tone set (its audio has changed since it was written)")
        return loaded

    @classmethod
    def load_or_none(cls, path: Path) -> ToneSet | None:
        """Reads the tone set at `path`; returns None if it is missing or damaged."""
        try:
            return cls.load(path)
        except InputError:
            return None


def quantised(tones: Sequence[F32]) -> tuple[I16, F32]:
    """Quantises tones to the full int16 range; returns int16 [tones, frames] and float32 [tones] scales.

    Example: `ToneSet.create(*quantised(tones), lowest_pitch=48, ...)`.
    """
    samples = np.empty((len(tones), len(tones[0])), dtype=np.int16)
    scales = np.empty(len(tones), dtype=np.float32)
    for index, tone in enumerate(tones):
        scales[index] = float(np.abs(tone).max()) / 32767.0
        samples[index] = np.clip(np.rint(tone / scales[index]), -32767, 32767)
    return samples, scales


def _audio(path: Path) -> Path:
    return path.with_name(f"{path.name}.npy")


def _metadata(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _sha256(samples: I16, scales: F32) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(samples.astype("<i2", copy=False)).data)
    digest.update(scales.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()
