"""Plays notes with a synth's own envelope, and measures how they differ from the rows that would state them.

A few notes are played twice in forks of one plugin: with the envelope's parameters as a clip sets them, and
with an envelope that is open: it rises at once, stays, and has the longest release that the synth has, so
that a filter that moves after the note-off does so in both. (If that is not much longer, the open note is
held.) The gain from one to the other is compared with the row's own gain curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.synthesis.compose import to_samples
from manifests.synthesis.envelope import gain_curve, progress_time, settle_ms
from manifests.types import Envelope, Note, curve_constants
from presets.analysis.envelope_fit import EnvelopeFit, fit_envelope
from presets.analysis.gain import crossing_ms, expected_gain, measure_gain
from presets.host.client import GroupFailure, GroupJob, SnapshotHost, Take
from presets.synths.preset import Preset
from presets.synths.synth import Synth
from presets.tones.playing import INTO_SAMPLE, VELOCITY, envelope_settings

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

TIME_MS, TIME_SHARE = 5.0, 0.1
"""Tolerance of a time: so many ms, or this share of it, whichever is more."""
NOTE_DB = 0.5
"""Tolerance of the gain curve of a note: mean deviation in dB."""
FLOOR = 0.01
"""Gains are compared with this added (-40 dB), so that what cannot be heard does not count."""
SUSTAINED_MS, AFTER_MS, GAP_MS = 60.0, 60.0, 60.0
"""How long a note stays at its sustain level, and what follows its release: listened to, and not."""
LONG, LONGEST_MS = 10.0, 20_000.0
"""The open envelope's release is at least this many times that of the note, and at most so many ms."""
KEY_S, SETTLE_S = 0.02, 0.05
"""Before the notes each key is played for a moment, and the first note's parameters are set."""
LOW, HIGH = 0.1, 0.9
"""A segment's time is measured between these shares of its way, which rounded corners do not change."""
SHALLOW, FAINT = 0.1, 0.03
"""A decay of less depth, and a release from a lower level, are not timed."""


@dataclass(frozen=True)
class CheckNote:
    """A note that is played to check labels: its envelope, MIDI key, and how long it is held."""

    envelope: Envelope
    pitch: int
    gate_ms: float
    place: int = 0
    """The envelope's place in the list that notes were chosen from."""
    stated: Envelope | None = None
    """The envelope that rows state, where that is not the one that the synth is asked for."""
    after_ms: float = AFTER_MS
    """How long what follows the release is listened to."""

    @property
    def row(self) -> Envelope:
        """The envelope that rows state."""
        return self.stated or self.envelope

    def frames(self, rate: int, gap_ms: float = 0.0) -> int:
        """Returns the samples that are listened to: the note, its release and what follows, and a gap."""
        release = max(self.envelope.release_ms, self.row.release_ms)
        return to_samples((self.gate_ms + release + self.after_ms + gap_ms) / 1000.0, rate)


@dataclass(frozen=True)
class Heard:
    """What a check note plays: times in ms, sustain level, and deviation from the row's gain curve in dB.

    A value is None if the note does not show it. `window_ms` is the resolution; see `presets.analysis.gain`.
    """

    note: CheckNote
    error_db: float
    attack_ms: float | None
    decay_ms: float | None
    sustain: float | None
    release_ms: float | None
    window_ms: float

    def faults(self) -> list[str]:
        """Describes each value that is off by more than the tolerance; none if the row is right."""
        asked = self.note.row
        found = []
        for name in ("attack_ms", "decay_ms", "release_ms"):
            heard, wanted = getattr(self, name), getattr(asked, name)
            if heard is not None and abs(heard - wanted) > max(TIME_MS, TIME_SHARE * wanted):
                found.append(f"{name} {wanted:g} stated, {heard:.1f} heard")
        if self.sustain is not None and abs(_db(self.sustain) - _db(asked.sustain)) > NOTE_DB:
            found.append(f"sustain {asked.sustain:g} stated, {self.sustain:.3f} heard")
        if self.error_db > NOTE_DB:
            found.append(f"gain curve {self.error_db:.2f} dB off")
        return found


def hear_notes(
    host: SnapshotHost, synth: Synth, preset: Preset, notes: Sequence[CheckNote], rate: int
) -> list[Heard]:
    """Plays check notes and measures their envelopes, in order.

    Raises GroupFailure if the preset is at fault, and MachineFailure if the machine is.

    Example: `hear_notes(host, synth, preset, check_notes(envelopes, 48, 79, 1), 44_100)[0].faults()`.
    """
    heard = _hear_group(host, synth, preset, notes, rate)
    if not synth.profile.obeys_all_sound_off:
        # The open notes were held, so that none sounds into the next: a filter that moves after a note-off
        # looks like a fault. Alone each note can be compared with a released one.
        for place, one in enumerate(heard):
            if one.faults():
                heard[place] = _hear_group(host, synth, preset, [one.note], rate)[0]
                if heard[place].faults():
                    break
    return heard


def fit_notes(
    host: SnapshotHost, synth: Synth, preset: Preset, notes: Sequence[CheckNote], rate: int
) -> list[EnvelopeFit | None]:
    """Plays notes and fits the envelopes that are heard, in order; None where a note does not show one.

    Raises GroupFailure if the preset is at fault, and MachineFailure if the machine is.

    Example: `fit_notes(host, synth, preset, [CheckNote(envelope, 60, 800.0)], 44_100)[0].envelope.decay_ms`.
    """
    opened = [_opened(synth, note, len(notes) == 1) for note in notes]
    shaped, plain = (_play(host, synth, preset, notes, of, rate) for of in (None, opened))
    fits = []
    for note, of, y, r in zip(notes, opened, shaped, plain, strict=True):
        count = note.frames(rate)
        measured = measure_gain(y[:count], r[:count], rate, period_of(note.pitch))
        gain = measured.gain
        if of.release_ms:
            gain = gain * gain_curve(of, note.gate_ms, np.maximum(measured.time_ms, 1e-3 + note.gate_ms))
        fits.append(fit_envelope(measured.time_ms, gain, note.gate_ms, note.envelope.hold_ms))
    return fits


def onset_ms(plain: F32, rate: int) -> float:
    """Returns when a note, float32 [samples], first reaches a tenth of its loudest sample, in ms.

    Example: `onset_ms(plain, 44_100)` is below 5 where a plugin has no latency.
    """
    loud = np.abs(plain)
    return float(np.argmax(loud >= 0.1 * float(loud.max(initial=0.0)))) * 1000.0 / rate


def period_of(pitch: int) -> float:
    """Returns the period in ms of a MIDI key's note.

    Example: `period_of(69)` is 2.27.
    """
    return 1000.0 / float(440.0 * 2.0 ** ((pitch - 69) / 12.0))


def _hear_group(
    host: SnapshotHost, synth: Synth, preset: Preset, notes: Sequence[CheckNote], rate: int
) -> list[Heard]:
    """Plays check notes in one fork, and the open ones in another, and measures them."""
    opened = [_opened(synth, note, len(notes) == 1) for note in notes]
    shaped, plain = (_play(host, synth, preset, notes, of, rate) for of in (None, opened))
    return [_hear(note, of, y, r, rate) for note, of, y, r in zip(notes, opened, shaped, plain, strict=True)]


def _play(
    host: SnapshotHost,
    synth: Synth,
    preset: Preset,
    notes: Sequence[CheckNote],
    opened: Sequence[Envelope] | None,
    rate: int,
) -> list[F32]:
    """Plays the notes in one fork, with the envelopes `opened` if given: a list of float32 [samples]."""
    profile = synth.profile
    settings, state = profile.host_values(preset.parameters), synth.preset_state(preset)
    takes = []
    for place, note in enumerate(notes):
        envelope = note.envelope if opened is None else opened[place]
        is_held = opened is not None and envelope.release_ms == 0.0
        held = note.frames(rate) / rate if is_held else note.gate_ms / 1000.0
        midi = Note(INTO_SAMPLE / rate, max(held, 1.0 / rate), note.pitch, VELOCITY)
        # A quarter sample more, as the host truncates.
        seconds = (note.frames(rate, GAP_MS) + INTO_SAMPLE) / rate
        values = envelope_settings(synth, envelope)
        takes.append(Take(values, (midi,), seconds, cut=profile.obeys_all_sound_off))
    shut = envelope_settings(synth, _open_envelope(synth, 0.0))
    warm_up = _warm_up(notes, shut, takes[0].settings)
    flat = (*warm_up, *takes)
    mono = host.render(GroupJob(settings, (), 0.0, takes=flat, state=state, mono=True))[0]
    ends = np.cumsum([to_samples(take.seconds, rate) for take in flat])
    if len(mono) < ends[-1]:
        raise GroupFailure("crashed", f"{len(mono)} samples came back, fewer than were asked for")
    if not np.isfinite(mono).all():
        raise GroupFailure("nan", "a note that checks labels: not a number, or infinite")
    return list(np.split(mono, ends)[len(warm_up) : len(flat)])


def _open_envelope(synth: Synth, release_ms: float) -> Envelope:
    """Returns an envelope that is open until the note-off, and then has this release."""
    envelope = synth.profile.envelope
    if envelope is None:
        raise ValueError(f"synth {synth.name}: its profile has no envelope")
    return Envelope(0.0, 0.0, 1.0, release_ms, curve=envelope.shape)


def _opened(synth: Synth, note: CheckNote, is_alone: bool) -> Envelope:
    """Returns the open envelope that a note is compared with; release 0 if the open note is to be held."""
    envelope, ranges = synth.profile.envelope, synth.profile.parameters
    if envelope is None or not (is_alone or synth.profile.obeys_all_sound_off):
        return _open_envelope(synth, 0.0)
    longest = min(envelope.release.curve.to_ms(ranges[envelope.release.parameter][1]), LONGEST_MS)
    return _open_envelope(synth, longest if longest >= LONG * note.envelope.release_ms else 0.0)


def _warm_up(notes: Sequence[CheckNote], opened: dict[str, float], first: dict[str, float]) -> list[Take]:
    """Returns takes that are discarded: all keys, one after another, then silence with the first parameters.

    Both plays begin with the same keys, so that their voices' phases are the same. A chord would drive a
    limiter.
    """
    keys = sorted({note.pitch for note in notes})
    played = tuple(Note(i * KEY_S, KEY_S / 2, key, VELOCITY) for i, key in enumerate(keys))
    return [Take(opened, played, len(keys) * KEY_S), Take(first, (), SETTLE_S)]


def _hear(note: CheckNote, opened: Envelope, shaped: F32, plain: F32, rate: int) -> Heard:
    """Measures one note's gain, from `plain` (with the envelope `opened`), and compares it with its row's."""
    count = note.frames(rate)
    period_ms = period_of(note.pitch)
    measured = measure_gain(shaped[:count], plain[:count], rate, period_ms)
    time_ms = np.arange(count) * 1000.0 / rate
    known = gain_curve(note.row, note.gate_ms, time_ms)
    if opened.release_ms:
        known /= np.where(time_ms < note.gate_ms, 1.0, gain_curve(opened, note.gate_ms, time_ms))
    expected = expected_gain(known, plain[:count], rate, period_ms, measured.alike)
    late_ms = onset_ms(plain[:count], rate)
    if late_ms > TIME_MS:
        raise GroupFailure("mislabelled", f"key {note.pitch}: its notes begin {late_ms:.1f} ms late")
    time, gain = measured.time_ms, np.maximum(measured.gain, 0.0)
    asked = note.row
    sounding = np.isfinite(gain) & (time <= note.gate_ms + asked.release_ms)
    if not sounding.any():
        raise GroupFailure("silent", f"pitch {note.pitch}: no note to check labels by")
    error_db = float(np.mean(np.abs(_db(gain[sounding]) - _db(expected[sounding]))))
    attack_share, decay_share, release_share = (
        progress_time(HIGH, k) - progress_time(LOW, k) for k in curve_constants(asked.curve)
    )
    # A label is timed by how much longer or shorter than the row's own segment it is, measured alike.
    attack = decay = sustain = release = None
    half = measured.window_ms / 2
    if note.gate_ms >= asked.attack_ms:
        attack = _timed(asked.attack_ms, time, gain, expected, 0.0, note.gate_ms, attack_share)
    settled = (time > note.gate_ms - SUSTAINED_MS / 2) & (time < note.gate_ms - half)
    if note.gate_ms >= settle_ms(asked) + SUSTAINED_MS and settled.any():
        sustain = float(np.nanmedian(gain[settled]))
        if 1.0 - asked.sustain >= SHALLOW and 1.0 - sustain >= SHALLOW:
            fallen, due = (1.0 - gain) / (1.0 - sustain), (1.0 - expected) / (1.0 - asked.sustain)
            start = asked.attack_ms + asked.hold_ms
            decay = _timed(asked.decay_ms, time, fallen, due, start, note.gate_ms, decay_share)
    before = (time > note.gate_ms - half - 4.0) & (time <= note.gate_ms - half)
    if before.any() and float(np.nanmean(expected[before])) >= FAINT:
        fallen, due = (
            1.0 - curve / max(float(np.nanmean(curve[before])), 1e-9) for curve in (gain, expected)
        )
        start, end = note.gate_ms - half, count * 1000.0 / rate
        release = _timed(asked.release_ms, time, fallen, due, start, end, release_share)
    return Heard(note, error_db, attack, decay, sustain, release, measured.window_ms)


def _timed(
    asked_ms: float, time: F64, heard: F64, expected: F64, start_ms: float, end_ms: float, share: float
) -> float | None:
    """Returns the time of a heard segment; infinity if it does not end in time, None if it is not shown.

    `heard` and `expected` are progresses, 0 to 1, float64 [points]; `share` of its time takes the row's
    segment from `LOW` to `HIGH`.
    """
    inside = (time >= start_ms) & (time <= end_ms)
    first = int(np.argmax(inside))
    last = len(time) - int(np.argmax(inside[::-1]))
    durations = []
    for curve in (heard, expected):
        low, high = (crossing_ms(time[:last], curve[:last], level, first) for level in (LOW, HIGH))
        durations.append(None if low is None or high is None else high - low)
    if durations[1] is None:
        return None
    if durations[0] is None:
        return float("inf")
    return max(asked_ms + (durations[0] - durations[1]) / share, 0.0)


def _db(gain: F64 | float) -> F64:
    return np.asarray(20.0 * np.log10(np.asarray(gain) + FLOOR))
