"""Labels of `shaping: plugin` are checked on real plugins: right ones pass, wrong ones are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.types import Envelope
from midi.generate import GenerateSpec
from presets.host.client import GroupFailure, SnapshotHost
from presets.synths.preset import Preset
from presets.synths.synth import open_synth
from presets.tones.heard_notes import CheckNote, Heard, hear_notes
from presets.tones.labels import check_labels, check_notes, mean_error_db
from tests.support import envelope_cases
from tests.support.presets.own_synths import law_synth_profile

RATE = 44_100


def random_envelopes(count: int, curve: str = "linear") -> list[Envelope]:
    drawn = [envelope_cases.draw_pair(index, GenerateSpec())[0] for index in range(count)]
    return [Envelope(e.attack_ms, e.decay_ms, e.sustain, e.release_ms, 0.0, curve) for e in drawn]


def heard_on(source: str, preset: str | None = None, curve: str = "linear") -> list[Heard]:
    synth = open_synth(source)
    chosen = synth.presets()[0] if preset is None else synth.preset(preset)
    with SnapshotHost(synth) as host:
        return hear_notes(host, synth, chosen, check_notes(random_envelopes(40, curve), 48, 79, seed=1), RATE)


def test_check_notes_have_the_extremes_and_keys_of_their_own() -> None:
    envelopes = random_envelopes(40)
    notes = check_notes(envelopes, 48, 79, seed=1)
    chosen = {note.place for note in notes}
    for values in ([e.decay_ms for e in envelopes], [e.sustain for e in envelopes]):
        assert {int(np.argmin(values)), int(np.argmax(values))} <= chosen
    assert len({note.pitch for note in notes}) == len(notes)
    assert (notes[0].pitch, notes[-1].pitch) == (48, 79)
    assert any(note.gate_ms < note.envelope.attack_ms + note.envelope.decay_ms for note in notes)
    assert notes == check_notes(envelopes, 48, 79, seed=1)


@pytest.mark.plugins
def test_a_synth_that_follows_its_profile_passes(amsynth: Path, tmp_path: Path) -> None:
    sources = [("amsynth", "BriansBank01/000"), ("builtin", "named/bright-saw")]
    for source, preset in sources:
        heard = heard_on(source, preset)
        assert [one.faults() for one in heard if one.faults()] == []
        assert mean_error_db(heard) < 0.1
    plain = law_synth_profile(tmp_path, sustain=0.0, key=0.0, decay_k=3.0, curve="0/3/0")
    heard = heard_on(str(plain), curve="0/3/0")
    assert mean_error_db(heard) < 0.01
    for one in heard:
        assert one.decay_ms is None or one.decay_ms == pytest.approx(one.note.envelope.decay_ms, abs=0.5)


@pytest.mark.parametrize(
    ("macros", "named"),
    [
        ({"sustain": 0.6, "key": 0.0, "decay_k": 0.0}, "decay_ms"),
        ({"sustain": 0.0, "key": 0.5, "decay_k": 0.0}, "decay_ms"),
        ({"sustain": 0.0, "key": 0.0, "decay_k": 3.0}, "gain curve"),
    ],
)
def test_a_decay_that_depends_on_sustain_or_key_or_bends_is_refused(
    tmp_path: Path, macros: dict[str, float], named: str
) -> None:
    synth = open_synth(str(law_synth_profile(tmp_path, **macros)))
    notes = check_notes(random_envelopes(40), 48, 79, seed=1)
    with SnapshotHost(synth) as host, pytest.raises(GroupFailure, match=named) as caught:
        check_labels(host, synth, synth.presets()[0], notes, RATE)
    assert caught.value.reason == "mislabelled"


@pytest.mark.plugins
def test_a_distortion_behind_the_envelope_is_refused(amsynth: Path) -> None:
    synth = open_synth("amsynth")
    preset = synth.preset("BriansBank01/000")
    driven = Preset("driven", "driven", {**preset.parameters, "distortion_crunch": 0.4}, "")
    with SnapshotHost(synth) as host, pytest.raises(GroupFailure, match="sustain"):
        check_labels(host, synth, driven, check_notes(random_envelopes(20), 48, 79, seed=1), RATE)


def within(heard: Heard) -> bool:
    """Returns whether a note is within what must hold: 5 ms or 10% of each time."""
    asked = heard.note.envelope
    pairs = [
        (heard.attack_ms, asked.attack_ms),
        (heard.decay_ms, asked.decay_ms),
        (heard.release_ms, asked.release_ms),
    ]
    return all(value is None or abs(value - wanted) <= max(5.0, 0.1 * wanted) for value, wanted in pairs)


@pytest.mark.plugins
@pytest.mark.verify
@pytest.mark.parametrize("name", ["amsynth", "law", "right law", "nekobi"])
def test_200_random_envelopes_are_right_or_their_timbre_is_refused(
    name: str, amsynth: Path, tmp_path: Path
) -> None:
    curve = "0/3/0" if "law" in name else "linear"
    if name == "amsynth":
        synth = open_synth("amsynth")
        preset = synth.preset("BriansBank01/000")
    elif name == "nekobi":
        synth = open_synth(str(nekobi_profile(tmp_path)))
        preset = synth.presets()[0]
    else:
        macros = {"sustain": 0.0, "key": 0.0} if name == "right law" else {}
        synth = open_synth(str(law_synth_profile(tmp_path, curve=curve, **macros)))
        preset = synth.presets()[0]
    envelopes = random_envelopes(200, curve)
    with SnapshotHost(synth) as host:
        checks = check_notes(envelopes, 48, 79, seed=1)
        if name in ("law", "nekobi"):
            with pytest.raises(GroupFailure, match="mislabelled"):
                check_labels(host, synth, preset, checks, RATE)
            return
        check_labels(host, synth, preset, checks, RATE)
        notes = [
            CheckNote(e, 48 + i % 32, e.attack_ms + e.decay_ms + 60.0, i) for i, e in enumerate(envelopes)
        ]
        heard = [
            one
            for first in range(0, 200, 20)
            for one in hear_notes(host, synth, preset, notes[first : first + 20], RATE)
        ]
    assert mean_error_db(heard) <= 0.2
    assert [one.note for one in heard if not within(one)] == []


def nekobi_profile(folder: Path) -> Path:
    """Writes a profile that calls Nekobi's only time, its filter's decay, an amplitude envelope."""
    law = "{kind: cubic, scale: 0.002, offset: 0.5}"
    stages = [f"  {stage}: {{parameter: Decay, curve: {law}}}" for stage in ("attack", "decay", "release")]
    text = [
        "name: nekobi-guessed",
        "kind: vst2",
        "plugin: /usr/lib/vst/Nekobi-vst.so",
        "deterministic: true",
        "warm_up_s: 0.2",
        "parameters: {Decay: [0, 100, 75], Volume: [0, 100, 75], Accent: [0, 100, 0], Env Mod: [0, 100, 0]}",
        "envelope:",
        *stages,
        "  sustain: {parameter: Volume, curve: {kind: linear, scale: 0.01}}",
    ]
    path = folder / "nekobi.yaml"
    path.write_text("\n".join(text) + "\n")
    return path
