"""Makes clips from a block's ids: composes, normalises, encodes and hashes them, and writes their rows."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import soundfile

from manifests.dataset.canonical import canonical_json
from manifests.synthesis import compose
from manifests.synthesis.compose import F32, I16
from manifests.synthesis.envelope import settle_ms
from manifests.types import ClipId, Envelope, Notes
from render.planning.blocks import Block

GAIN_CACHE_SIZE = 128
"""Gain curves that a composer caches: 68 MB for clips of 3 s."""

Tones = Mapping[int, tuple[I16, float]]


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """Settings that all clips share: rate in Hz, samples, int16 peak, fade in ms, FLAC level 0..8."""

    rate: int
    frames: int
    peak: int
    cut_fade_ms: float
    flac_level: int


@dataclass(frozen=True, slots=True)
class TimbreInfo:
    """A timbre's name, group address and octave, as a clip's row states them."""

    name: str
    group: str
    octave: int


@dataclass(frozen=True, slots=True)
class Clip:
    """A finished clip: its key, FLAC bytes, JSON sidecar, and its row without shard and offset."""

    key: str
    flac: bytes
    sidecar: bytes
    row: dict[str, Any]


def encode_flac(pcm: I16, rate: int, level: int) -> bytes:
    """Encodes int16 mono PCM [frames] as a FLAC file; `level` is FLAC's compression level 0..8."""
    sink = io.BytesIO()
    soundfile.write(sink, pcm, rate, format="FLAC", subtype="PCM_16", compression_level=level / 8)
    return sink.getvalue()


def observability(notes: Notes, envelope: Envelope, spec: ClipSpec) -> tuple[bool, bool]:
    """Returns whether any note reaches sustain, and whether any release is heard to its end."""
    per_ms = 1000.0 / spec.rate
    spans = compose.spans(notes, spec.rate, spec.frames)
    reached = any((span.off - span.onset) * per_ms >= settle_ms(envelope) for span in spans)
    tail = envelope.release_ms + spec.cut_fade_ms
    return reached, any((span.end - span.off) * per_ms >= tail for span in spans)


def make_clip(
    spec: ClipSpec,
    clip: ClipId,
    pcm: I16,
    factor: float,
    notes: Notes,
    envelope: Envelope,
    timbre: TimbreInfo,
    group_index: int = -1,
    substitutes: int | None = None,
) -> Clip:
    """Encodes int16 samples [frames] and makes the clip's row; `factor` is the normalising gain."""
    reached, heard = observability(notes, envelope, spec)
    shared_fields: dict[str, Any] = {
        "key": clip.key,
        "block": clip.block,
        "timbre": clip.timbre,
        "envelope": clip.envelope,
        "phrase": clip.phrase,
        **envelope.values(),
        "octave": timbre.octave,
        "rate": spec.rate,
        "cut_fade_ms": spec.cut_fade_ms,
    }
    sidecar = {
        **shared_fields,
        "timbre_name": timbre.name,
        "notes": [[n.onset, n.duration, n.pitch, n.velocity] for n in notes],
    }
    row = {
        **shared_fields,
        "sustain_reached": reached,
        "release_heard": heard,
        "frames": spec.frames,
        "gain": factor,
        "peak": max(int(pcm.max()), -int(pcm.min())),
        "rms": compose.rms(pcm),
        "pcm_sha256": compose.pcm_sha256(pcm),
        "group": timbre.group,
        "group_index": group_index,
        "substitutes": substitutes,
    }
    return Clip(clip.key, encode_flac(pcm, spec.rate, spec.flac_level), canonical_json(sidecar), row)


class Composer:
    """Composes the clips of blocks. Caches dry phrases and gain curves while blocks share them.

    `tones` returns a timbre's tones as pitch -> (int16 [frames], scale).
    """

    def __init__(
        self,
        spec: ClipSpec,
        phrases: Mapping[int, Notes],
        envelopes: Mapping[int, Envelope],
        timbres: Mapping[int, TimbreInfo],
        tones: Callable[[int], Tones],
    ) -> None:
        self.spec, self.phrases, self.envelopes, self.timbres, self.tones = (
            spec,
            phrases,
            envelopes,
            timbres,
            tones,
        )
        self._dry: dict[tuple[int, int], F32] = {}
        self._gain: dict[tuple[int, int], F32] = {}

    def dry(self, timbre: int, phrase: int) -> F32:
        """Returns the phrase played on the timbre's tones, float32 [frames]."""
        if (timbre, phrase) not in self._dry:
            self._dry[timbre, phrase] = compose.dry(
                self.phrases[phrase], self.tones(timbre), self.spec.rate, self.spec.frames
            )
        return self._dry[timbre, phrase]

    def gain(self, phrase: int, envelope: int) -> F32:
        """Returns the phrase's gain curve under the envelope, float32 [frames]."""
        if (phrase, envelope) not in self._gain:
            while len(self._gain) >= GAIN_CACHE_SIZE:
                del self._gain[next(iter(self._gain))]
            self._gain[phrase, envelope] = compose.gain(
                self.phrases[phrase],
                self.envelopes[envelope],
                self.spec.rate,
                self.spec.frames,
                self.spec.cut_fade_ms,
            )
        return self._gain[phrase, envelope]

    def block(self, number: int, block: Block) -> Iterator[Clip]:
        """Yields the block's clips: timbres vary slowest, envelopes fastest."""
        dry_keys = {(t, p) for t in block.timbres for p in block.phrases}
        self._dry = {key: self._dry[key] for key in sorted(dry_keys & self._dry.keys())}
        # The next timbres of this band of phrases use the same envelopes again.
        self._gain = {key: curve for key, curve in self._gain.items() if key[0] in block.phrases}
        for timbre in block.timbres:
            for phrase in block.phrases:
                for envelope in block.envelopes:
                    yield self.clip(ClipId(number, timbre, envelope, phrase))

    def pcm(self, clip: ClipId) -> tuple[I16, float]:
        """Returns a clip's int16 samples [frames] and the gain applied."""
        shaped = self.dry(clip.timbre, clip.phrase) * self.gain(clip.phrase, clip.envelope)
        return compose.to_int16(shaped, self.spec.peak)

    def clip(self, clip: ClipId) -> Clip:
        """Returns one clip with its FLAC bytes and row."""
        pcm, factor = self.pcm(clip)
        return make_clip(
            self.spec,
            clip,
            pcm,
            factor,
            self.phrases[clip.phrase],
            self.envelopes[clip.envelope],
            self.timbres[clip.timbre],
        )
