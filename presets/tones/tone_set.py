"""A tone set as data: tones, scales, what was measured, and its two files (.npy and .json, no pickle)."""

from __future__ import annotations

import hashlib
import io
import json
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
    """A timbre's tones: int16 [tones, frames], pitches rising by `step`, and float32 [tones] scales.

    `octave` is what sounds less what was asked for; `pitch_confidence` the share of tones that agree on
    it; `level_variation_db` the median over tones of the level's standard deviation; `fingerprint`
    float32 mel levels in dB; `sha256` the hash of samples and scales (little-endian).
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
        """A tone set whose hash is computed here."""
        return cls(samples=samples, scales=scales, sha256=_sha256(samples, scales), **measured)

    def by_pitch(self) -> dict[int, tuple[I16, float]]:
        """MIDI pitch -> (samples, scale), as `manifests.synthesis.compose.dry` takes it."""
        return {
            self.lowest_pitch + index * self.step: (tone, float(scale))
            for index, (tone, scale) in enumerate(zip(self.samples, self.scales, strict=True))
        }

    def save(self, path: Path) -> None:
        """Writes `path`.npy, then `path`.json, whose presence says that the set is whole."""
        buffer = io.BytesIO()
        np.save(buffer, self.samples.astype("<i2", copy=False), allow_pickle=False)
        files.replace(_audio(path), buffer.getvalue())
        about = {
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
        files.replace(_about(path), canonical_json(about))

    @classmethod
    def load(cls, path: Path, mmap: bool = True) -> ToneSet:
        """Reads a saved tone set, by default without reading its audio yet.

        InputError if it is missing or damaged. Shape, type and size are checked, and with `mmap=False` the
        hash too.
        """
        try:
            about = json.loads(_about(path).read_bytes())
            samples = np.load(_audio(path), mmap_mode="r" if mmap else None, allow_pickle=False)
            if samples.dtype != np.dtype("<i2") or list(samples.shape) != about.pop("shape"):
                raise ValueError("audio of another shape or type than its description says")
            scales = np.array(about.pop("scales"), dtype=np.float32)
            if len(scales) != len(samples):
                raise ValueError("not one scale a tone")
            levels = np.array(about.pop("fingerprint"), dtype=np.float32)
            loaded = cls(samples=samples, scales=scales, fingerprint=levels, **about)
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise InputError(f"{path}: not a whole tone set ({' '.join(str(error).split())})") from None
        if not mmap and _sha256(loaded.samples, loaded.scales) != loaded.sha256:
            raise InputError(f"{path}: not a whole tone set (its audio has changed since it was made)")
        return loaded

    @classmethod
    def load_or_none(cls, path: Path) -> ToneSet | None:
        """The tone set at `path`; None if there is none or it is damaged, so that it is made anew."""
        try:
            return cls.load(path)
        except InputError:
            return None


def _audio(path: Path) -> Path:
    return path.with_name(f"{path.name}.npy")


def _about(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _sha256(samples: I16, scales: F32) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(samples.astype("<i2", copy=False)).data)
    digest.update(scales.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()
