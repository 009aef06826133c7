"""Makes an instrument out of a recording's factors: NAME.sf2, NAME.sfz and NAME-samples/PITCH.flac."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from manifests.dataset import files
from manifests.types import Envelope, shown
from manifests.version import DISTRIBUTION, package_version
from train.codec.api import Codec
from train.instrument.sampler_envelope import fit_envelope
from train.instrument.samples import Sample, sample_timbre
from train.instrument.sfz import flac, sfz_text
from train.instrument.soundfont import soundfont
from train.systems.base import Factors

UNSTATED = "not stated; the rights in the recording remain with their owner"


class Origin(NamedTuple):
    """Where an instrument comes from, for its metadata.

    Attributes:
        name: name of the instrument.
        recording: name of the recording's file, without its folder.
        sha256: SHA-256 of the recording's file.
        licence: licence of the instrument's samples.
        author: who made the recording or the instrument.
    """

    name: str
    recording: str
    sha256: str
    licence: str = UNSTATED
    author: str = ""


class Instrument(NamedTuple):
    """What was written: the files, the samples, and one sentence for each thing that could not be done."""

    soundfont: Path
    sfz: Path
    samples: list[Sample]
    doubts: tuple[str, ...]


def write_instrument(
    codec: Codec,
    factors: Factors,
    envelope: Envelope,
    origin: Origin,
    folder: Path,
    lowest: int = 36,
    highest: int = 84,
) -> Instrument:
    """Samples a timbre every third semitone and writes it as SoundFont 2 and as SFZ with FLAC samples.

    The same factors give the same bytes.

    Args:
        codec: the codec that encoded the factors.
        factors: of which the timbre is sampled.
        envelope: the envelope to play.
        origin: name, recording and licence, for the metadata.
        folder: folder to write to; it is made if it is missing.
        lowest: lowest MIDI pitch to play.
        highest: highest MIDI pitch to play.

    Raises InputError if the range or the envelope cannot be played, OSError if a file cannot be written.

    Example::

        factors = codec.encode("a.wav")
        write_instrument(codec, factors, factors.envelope, Origin("Lead", "a.wav", sha256), Path("out"))
    """
    fitted = fit_envelope(envelope)
    samples = sample_timbre(codec, factors, lowest, highest)
    tool = f"{DISTRIBUTION} {package_version()}"
    source = f"made of the recording {shown(origin.recording)} (SHA-256 {origin.sha256})"
    stem = file_stem(origin.name)
    tags = {"title": origin.name, "copyright": origin.licence, "license": origin.licence, "software": tool}
    tags |= {"comment": source, "artist": origin.author}
    names = [f"{stem}-samples/{sample.pitch:03d}.flac" for sample in samples]
    tags = {key: value for key, value in tags.items() if value}
    contents = {
        folder / name: flac(sample, codec.rate, tags) for sample, name in zip(samples, names, strict=True)
    }
    shape = (
        f"attack {envelope.attack_ms:.1f} ms, hold {envelope.hold_ms:.1f} ms, decay {envelope.decay_ms:.1f}"
        f" ms, sustain {envelope.sustain:.3f}, release {envelope.release_ms:.1f} ms, {envelope.curve}"
    )
    about = {"name": origin.name, "author": origin.author, "licence": origin.licence, "recording": source}
    about |= {"envelope": shape, "software": tool}
    text = sfz_text(samples, names, fitted, {key: value for key, value in about.items() if value})
    contents[folder / f"{stem}.sfz"] = text.encode()
    info = {"IENG": origin.author, "ICOP": origin.licence, "ICMT": f"{source}; {shape}", "ISFT": tool}
    info = {key: value for key, value in info.items() if value}
    contents[folder / f"{stem}.sf2"] = soundfont(origin.name, samples, fitted, codec.rate, info)
    files.replace_all(contents)
    untuned = [str(sample.pitch) for sample in samples if not sample.tuned]
    doubts = (f"recording: samples {', '.join(untuned)} have no clear pitch and are not tuned",)
    return Instrument(folder / f"{stem}.sf2", folder / f"{stem}.sfz", samples, doubts if untuned else ())


def file_stem(name: str) -> str:
    """Returns a name as one that any system takes for a file, and any sampler reads.

    >>> file_stem("Läd #1 / warm")
    'L-d-1-warm'
    """
    return re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-") or "instrument"
