"""Defines every column of a dataset's Parquet tables: its type, unit and meaning.

Schemas carry unit and meaning as column metadata, so that a Parquet file documents itself. This metadata is
part of the tables' bytes. `SCHEMA_VERSION` is "major.minor"; a reader refuses another major version.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = "1.1"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, Arrow type, unit and meaning, and whether it may be null."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str
    nullable: bool = False

    def field(self) -> pa.Field:
        metadata = {"unit": self.unit, "description": self.meaning}
        return pa.field(self.name, self.type, nullable=self.nullable, metadata=metadata)


NOTE = pa.struct(
    [
        pa.field("onset", pa.float64(), nullable=False),
        pa.field("duration", pa.float64(), nullable=False),
        pa.field("pitch", pa.int16(), nullable=False),
        pa.field("velocity", pa.int16(), nullable=False),
    ]
)


def _list(of: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("item", of, nullable=False))


_ENVELOPE = [
    Column("attack_ms", pa.float64(), "ms", "onset to full level"),
    Column("hold_ms", pa.float64(), "ms", "time at full level"),
    Column("decay_ms", pa.float64(), "ms", "full level to sustain level"),
    Column("sustain", pa.float64(), "linear 0..1", "level held until note-off"),
    Column("release_ms", pa.float64(), "ms", "note-off to silence, from the level reached"),
    Column(
        "curve",
        pa.string(),
        "",
        "shape of the segments: linear, exponential, linear_exponential (only the attack linear), or the"
        " constants of attack, decay and release, such as 0/2.5/5",
    ),
]

CLIPS = [
    Column("key", pa.string(), "", "name of the sample in its tar, b…_t…_e…_p…"),
    Column("split", pa.string(), "", "split the clip belongs to"),
    Column("shard", pa.string(), "", "tar that holds it, relative to the dataset folder"),
    Column("offset", pa.int64(), "bytes", "where the FLAC file's bytes begin in the tar"),
    Column("length", pa.int64(), "bytes", "length of the FLAC file"),
    Column("block", pa.int32(), "id", "block of the clip"),
    Column("timbre", pa.int32(), "id", "timbre of the clip, row of timbres.parquet"),
    Column("envelope", pa.int32(), "id", "envelope of the clip, row of envelopes.parquet"),
    Column("phrase", pa.int32(), "id", "phrase of the clip, row of phrases.parquet"),
    *_ENVELOPE,
    Column("sustain_reached", pa.bool_(), "", "a note lasts attack + hold + decay or longer"),
    Column("release_heard", pa.bool_(), "", "a release runs to its end before the next onset"),
    Column(
        "octave",
        pa.int16(),
        "octaves",
        "the timbre's octave: it sounds 12 times as many semitones above the phrase",
    ),
    Column("frames", pa.int64(), "samples", "length of the clip"),
    Column("rate", pa.int32(), "Hz", "sample rate"),
    Column("cut_fade_ms", pa.float64(), "ms", "fade before the next onset that cuts a note's tail"),
    Column("gain", pa.float64(), "1/full scale", "factor from composed sound to full scale"),
    Column("peak", pa.int32(), "int16", "largest magnitude of the PCM"),
    Column("rms", pa.float64(), "linear, full scale 1", "root mean square of the PCM"),
    Column("pcm_sha256", pa.string(), "hex", "SHA-256 of the int16 little-endian PCM"),
    Column("group", pa.string(), "", "group of renders the sound comes from (its tone set)"),
    Column("group_index", pa.int32(), "", "place in the group; -1: the clip uses the group as a whole"),
    Column("substitutes", pa.int32(), "id", "timbre that failed and that this one stands for", nullable=True),
]

TIMBRES = [
    Column("timbre", pa.int32(), "id", "id, equal to the row's place"),
    Column("name", pa.string(), "", "synth, bank and preset in words"),
    Column("synth", pa.string(), "", "profile of the synth"),
    Column("preset", pa.string(), "", "preset's address in the synth's banks"),
    Column("bank_sha256", pa.string(), "hex", "SHA-256 of the file that the preset was read from"),
    Column("plugin_sha256", pa.string(), "hex", "SHA-256 of the plugin file (or of the Faust source)"),
    Column("parameters", pa.map_(pa.string(), pa.float64()), "plugin's own", "parameter values asked for"),
    Column("state", pa.binary(), "bytes", "preset state where parameters are not enough", nullable=True),
    Column("deterministic", pa.bool_(), "", "the profile says that renders repeat bit for bit"),
    Column("group", pa.string(), "", "content address of the tone set"),
    Column("tones_sha256", pa.string(), "hex", "SHA-256 of the tone set's samples and scales"),
    Column("lowest_pitch", pa.int16(), "MIDI", "lowest tone made"),
    Column("highest_pitch", pa.int16(), "MIDI", "highest tone made"),
    Column("octave", pa.int16(), "octaves", "octaves between the note asked for and the one heard"),
    Column("pitch_confidence", pa.float64(), "0..1", "share of the tones that agree on the octave"),
    Column("level_variation_db", pa.float64(), "dB", "median over tones of the level's standard deviation"),
    Column("fingerprint", _list(pa.float32()), "dB", "mel levels of the tones, for comparing timbres"),
    Column("cluster", pa.int32(), "id", "timbres that sound alike share it"),
    Column("side", pa.string(), "", "train, test or (a synth left out) synth"),
    Column("generation", pa.int16(), "", "generation of the dataset that added it"),
]

ENVELOPES = [
    Column("envelope", pa.int32(), "id", "id, equal to the row's place"),
    Column("family", pa.string(), "", "family of the config that it was drawn from"),
    *_ENVELOPE,
    Column("cluster", pa.int32(), "id", "envelopes that are nearly equal share it"),
    Column("side", pa.string(), "", "train or test"),
    Column("generation", pa.int16(), "", "generation of the dataset that added it"),
]

LABELS = [
    Column("timbre", pa.int32(), "id", "timbre that played the note, row of timbres.parquet"),
    Column("envelope", pa.int32(), "id", "envelope asked for, row of envelopes.parquet"),
    Column("labels", pa.string(), "", "asked: rows state the envelope asked for; measured: what was heard"),
    *_ENVELOPE,
    Column("pitch", pa.int16(), "MIDI", "key of the note"),
    Column("gate_ms", pa.float64(), "ms", "how long the note was held"),
    Column("heard_attack_ms", pa.float64(), "ms", "attack of the note; null if it does not show it", True),
    Column("heard_decay_ms", pa.float64(), "ms", "decay of the note; null if it does not show it", True),
    Column("heard_sustain", pa.float64(), "linear 0..1", "its sustain level; null if not reached", True),
    Column("heard_release_ms", pa.float64(), "ms", "release of the note; null if it does not show it", True),
    Column("error_db", pa.float64(), "dB", "mean deviation of the note's gain from that of the row"),
    Column("resolution_ms", pa.float64(), "ms", "window that the gain was measured with"),
]
"""Notes that were measured before a timbre of `shaping: plugin` was accepted."""

PHRASES = [
    Column("phrase", pa.int32(), "id", "id, equal to the row's place"),
    Column("source", pa.string(), "", "generator, or MIDI file, track and time"),
    Column("source_sha256", pa.string(), "hex", "SHA-256 of the MIDI file; empty when generated"),
    Column("notes", _list(NOTE), "s, s, MIDI, 1..127", "the notes, transposed to the register"),
    Column("transposed", pa.int16(), "semitones", "how far the source was moved"),
    Column("cluster", pa.int32(), "id", "phrases equal up to transposition share it"),
    Column("side", pa.string(), "", "train or test"),
    Column("generation", pa.int16(), "", "generation of the dataset that added it"),
]

BLOCKS = [
    Column("block", pa.int32(), "id", "id, equal to the row's place"),
    Column("split", pa.string(), "", "split of all its clips"),
    Column("shard", pa.string(), "", "tar that holds it, relative to the dataset folder"),
    Column("timbres", _list(pa.int32()), "ids", "its timbres; clips run over them slowest"),
    Column(
        "planned",
        _list(pa.int32()),
        "ids",
        "its timbres as planned, where substitutes stand for some that failed; null elsewhere",
        nullable=True,
    ),
    Column("phrases", _list(pa.int32()), "ids", "its phrases"),
    Column("envelopes", _list(pa.int32()), "ids", "its envelopes; clips run over them fastest"),
    Column("clips", pa.int32(), "clips", "number of its clips"),
    Column("offset", pa.int64(), "bytes", "where it begins in the tar; null until rendered", nullable=True),
    Column("length", pa.int64(), "bytes", "its length in the tar; null until rendered", nullable=True),
    Column("generation", pa.int16(), "", "generation of the dataset that added it"),
]

SHARDS = [
    Column("shard", pa.string(), "", "tar, relative to the dataset folder"),
    Column("split", pa.string(), "", "split of all its clips"),
    Column("sha256", pa.string(), "hex", "SHA-256 of the tar"),
    Column("bytes", pa.int64(), "bytes", "size of the tar"),
    Column("blocks", pa.int32(), "blocks", "blocks in it"),
    Column("clips", pa.int64(), "clips", "clips in it"),
    Column("table_sha256", pa.string(), "hex", "SHA-256 of its clip table"),
]

FAILURES = [
    Column("stage", pa.string(), "", "tones or clips: where it failed"),
    Column("synth", pa.string(), "", "profile of the synth"),
    Column("preset", pa.string(), "", "preset that failed"),
    Column(
        "reason", pa.string(), "", "silent, crashed, hung, nan, clipped, unsteady, unpitched, duplicate, …"
    ),
    Column("detail", pa.string(), "", "what was measured or said"),
    Column("shard", pa.string(), "", "shard in which it failed; empty while tones were made"),
]

SCAN = [
    Column("synth", pa.string(), "", "profile of the synth"),
    Column("preset", pa.string(), "", "preset's address in the synth's banks"),
    Column("name", pa.string(), "", "bank and preset in words"),
    Column("bank_sha256", pa.string(), "hex", "SHA-256 of the file that the preset was read from"),
    Column("deterministic", pa.bool_(), "", "renders of it repeat bit for bit"),
    Column("status", pa.string(), "", "ok, or: silent, crashed, hung, nan, clipped, memory, unloadable"),
    Column("detail", pa.string(), "", "what was measured or said where it failed"),
    Column("peak", pa.float64(), "linear, full scale 1", "largest magnitude of all notes", True),
    Column("loudness_dbfs", pa.float64(), "dBFS", "mean RMS level at the first velocity", True),
    Column("level_variation_db", pa.float64(), "dB", "level's standard deviation, median of the notes", True),
    Column("level_variation", pa.float64(), "share", "the same of the linear level, over its mean", True),
    Column("flatness", pa.float64(), "0..1", "1 / (1 + level_variation^2): SynthCAT asks for 0.95", True),
    Column("octave", pa.int16(), "octaves", "octaves between the note asked for and the one heard", True),
    Column("pitch_confidence", pa.float64(), "0..1", "share of the notes that agree on the octave", True),
    Column("pitch_cents", pa.float64(), "cents", "how far off the note in its octave it sounds", True),
    Column("periodicity", pa.float64(), "0..1", "likeness of a note to itself a period later", True),
    Column("spectral_flatness", pa.float64(), "0..1", "geometric by arithmetic mean of the power", True),
    Column("character", pa.string(), "", "harmonic, inharmonic or noisy", True),
    Column("brightness_hz", pa.float64(), "Hz", "spectral centroid at the first velocity", True),
    Column("stereo_width", pa.float64(), "0..1", "the side channel's share of the energy", True),
    Column("velocity_db", pa.float64(), "dB", "how much louder the first velocity is than the second", True),
    Column("fingerprint", _list(pa.float32()), "dB", "mel levels, pairs of notes, first velocity", True),
    Column("fingerprint_error", _list(pa.float32()), "dB", "their standard errors, from repeats", True),
    Column("fingerprint_soft", _list(pa.float32()), "dB", "mel levels at the second velocity", True),
    Column("fingerprint_soft_error", _list(pa.float32()), "dB", "their standard errors", True),
    Column("embedding", _list(pa.float32()), "", "embedding of its timbre, of unit length", True),
    Column("audio_sha256", pa.string(), "hex", "SHA-256 of all notes' float32 samples", True),
    Column("velocity_distance", pa.float64(), "", "distance of the two fingerprints", True),
    Column("usable", pa.bool_(), "", "ok, steady and pitched"),
    Column("distinct", pa.bool_(), "", "usable, and unlike every other distinct preset"),
    Column("near", pa.string(), "", "the distinct preset that a usable one is too near to", True),
    Column("same_audio", pa.string(), "", "the first preset with the same samples", True),
]
"""What `python -m presets scan` writes; no part of a dataset folder."""

TONES = [
    Column("timbre", pa.int32(), "id", "timbre of the tone, row of timbres.parquet"),
    Column("pitch", pa.int16(), "MIDI", "note that was asked for; the timbre's octave comes on top"),
    Column("shard", pa.string(), "", "tar that holds it, relative to the bank"),
    Column("offset", pa.int64(), "bytes", "where the tone's int16 little-endian samples begin in the tar"),
    Column("frames", pa.int64(), "samples", "samples of the tone, the end of its loop included"),
    Column("rate", pa.int32(), "Hz", "sample rate"),
    Column("scale", pa.float32(), "linear", "what one unit of a sample is worth: all tones have RMS 0.1"),
    Column("loop_start", pa.int64(), "samples", "where a reader goes on that has come to loop_end"),
    Column("loop_end", pa.int64(), "samples", "end of the loop, one past its last sample"),
    Column("sha256", pa.string(), "hex", "SHA-256 of the tone's samples"),
]

TONE_SHARDS = [
    Column("shard", pa.string(), "", "tar, relative to the bank"),
    Column("side", pa.string(), "", "side of all its timbres: train, test or synth"),
    Column("sha256", pa.string(), "hex", "SHA-256 of the tar"),
    Column("bytes", pa.int64(), "bytes", "size of the tar"),
    Column("timbres", _list(pa.int32()), "ids", "its timbres, in the order of the tar"),
    Column("tones", pa.int64(), "tones", "tones in it"),
    Column("table_sha256", pa.string(), "hex", "SHA-256 of its table of tones"),
]

TABLES: dict[str, list[Column]] = {
    "clips": CLIPS,
    "timbres": TIMBRES,
    "envelopes": ENVELOPES,
    "labels": LABELS,
    "phrases": PHRASES,
    "blocks": BLOCKS,
    "shards": SHARDS,
    "failures": FAILURES,
    "tones": TONES,
    "tone_shards": TONE_SHARDS,
    "scan": SCAN,
}


def schema(table: str) -> pa.Schema:
    """Returns the Arrow schema of a table, with the schema version and column meanings as metadata.

    Example: `schema("clips").field("rms").metadata[b"unit"]`.
    """
    fields = [column.field() for column in TABLES[table]]
    return pa.schema(fields, metadata={"triptych_table": table, "triptych_schema": SCHEMA_VERSION})
