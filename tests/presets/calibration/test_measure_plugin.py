"""`presets calibrate` on real plugins: its measurements, and a draft profile that loads."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from manifests.estimation.estimate import estimate_envelope
from manifests.types import Envelope, Note
from presets.host.client import SnapshotHost
from presets.synths.profile import load_profile
from presets.synths.synth import open_synth
from presets.tones.labels import check_labels, check_notes
from presets.tones.playing import PlayedCell, PlaySpec, play_group
from tests.support.presets.own_synths import build_vst2, law_synth_profile

NEKOBI = Path("/usr/lib/vst/Nekobi-vst.so")
STAGES = ("attack", "decay", "sustain", "release")


def calibrate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs `presets calibrate` without a display."""
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    command = [sys.executable, "-m", "presets", "calibrate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def drafted(amsynth: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drafts a profile of amsynth from nothing but four parameter names."""
    out = tmp_path_factory.mktemp("calibrated") / "draft.yaml"
    named = [part for stage in STAGES for part in (f"--{stage}", f"amp_{stage}")]
    done = calibrate(amsynth, *named, "--set", "master_vol=0.3", "--longest-s", "2", "--out", out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.plugins
def test_amsynth_repeats_itself_warms_up_and_needs_no_display(drafted: Path) -> None:
    text = drafted.read_text()
    assert "Renders are bit-identical within a process: yes; across processes: yes." in text
    # Measured by hand: the first render of a fresh instance differs.
    assert "First renders that differ from later ones: 1." in text
    assert "It opens without a display." in text
    profile = load_profile(str(drafted))
    assert (profile.deterministic, profile.isolation, profile.warm_up_s) == (True, "fork", 0.2)


@pytest.mark.plugins
def test_amsynths_envelope_times_follow_its_source(drafted: Path) -> None:
    measured, known = load_profile(str(drafted)).envelope, load_profile("amsynth").envelope
    assert measured is not None
    assert known is not None
    assert measured.shape == known.shape == "linear"
    for stage in STAGES:
        here, there = getattr(measured, stage), getattr(known, stage)
        assert here.parameter == there.parameter
        # The draft scales a parameter to 0..1, amsynth's source to 0..2.5.
        for value in (0.1, 0.2, 0.3, 0.45):
            expected = there.curve.to_ms(value if stage == "sustain" else 2.5 * value)
            close = {"abs": 0.01} if stage == "sustain" else {"rel": 0.02, "abs": 0.5}
            assert here.curve.to_ms(value) == pytest.approx(expected, **close), (stage, value)


@pytest.mark.plugins
def test_the_draft_profile_loads_and_plays_its_envelopes(drafted: Path) -> None:
    synth = open_synth(str(drafted))
    (init,) = synth.presets()
    assert init.parameters["amp_sustain"] == 1.0
    with SnapshotHost(synth) as host:
        host.self_test()
        notes = (Note(0.1, 0.4, 60, 100),)
        cell = PlayedCell(notes, Envelope(50.0, 100.0, 0.5, 200.0))
        (sound,) = play_group(host, synth, init, [cell], PlaySpec(44_100, 44_100, 3.0))
    estimated = estimate_envelope(sound, notes, 44_100, 3.0).envelope
    assert estimated.attack_ms == pytest.approx(50.0, rel=0.2)
    assert estimated.release_ms == pytest.approx(200.0, rel=0.1)
    assert estimated.sustain == pytest.approx(0.5, rel=0.06)


def test_a_decay_that_depends_on_sustain_and_key_is_measured_and_played(tmp_path: Path) -> None:
    plugin = build_vst2("law_synth", {"LAW_SUSTAIN": 0.6, "LAW_KEY": 0.5})
    named = [part for stage in STAGES for part in (f"--{stage}", stage.title())]
    out, page = tmp_path / "law.yaml", tmp_path / "law.html"
    done = calibrate(plugin, *named, "--longest-s", "5", "--out", out, "--html", page)
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    assert "its times depend on key: times 2.0" in text
    envelope = load_profile(str(out)).envelope
    assert envelope is not None
    attack, decay, release = (float(k) for k in envelope.shape.split("/"))
    assert (attack, decay, release) == pytest.approx((0.0, 3.0, 0.0), abs=0.2)
    for value in (0.2, 0.4, 0.7, 0.9):
        for stage in (envelope.attack, envelope.release):
            assert stage.curve.to_ms(value) == pytest.approx(4000.0 * value**3, rel=0.05, abs=1.0)
        for sustain in (0.0, 0.3, 0.6):
            # The law of tests/support/presets/law_synth, at the key that was measured.
            wanted = 4000.0 * value**3 * (1.0 - 0.6 * sustain) * 2.0 ** (0.5 * (60 - 84) / 12.0)
            heard = envelope.decay.curve.to_ms(value) * envelope.decay.factor(sustain)
            assert heard == pytest.approx(wanted, rel=0.05, abs=1.0)
    drawn = page.read_text()
    assert drawn.count("<circle") == 4 * 17
    assert "its times depend on sustain" in drawn


def test_with_by_sustain_a_decay_that_depends_on_it_passes_the_check_of_labels(tmp_path: Path) -> None:
    profile = law_synth_profile(tmp_path, key=0.0, decay_k=0.0)
    text = profile.read_text()
    head, decay = text.split("  decay:\n", 1)
    factors = "    by_sustain: [[0.0, 1.0], [1.0, 0.4]]\n"
    profile.write_text(f"{head}  decay:\n{factors}{decay}")
    synth = open_synth(str(profile))
    envelopes = [Envelope(20.0, 50.0 + 20.0 * i, i / 12, 60.0) for i in range(11)]
    with SnapshotHost(synth) as host:
        heard = check_labels(host, synth, synth.presets()[0], check_notes(envelopes, 48, 79, 1), 44_100)
    assert max(one.error_db for one in heard) < 0.05


@pytest.mark.plugins
def test_nekobi_keeps_a_trace_of_the_previous_note() -> None:
    if not NEKOBI.exists():
        if os.environ.get("TRIPTYCH_REQUIRE_PLUGINS") == "1":
            pytest.fail(f"{NEKOBI} is missing: apt-get install dpf-plugins-vst")
        pytest.skip("Nekobi is not installed: apt-get install dpf-plugins-vst")
    done = calibrate(NEKOBI)
    assert done.returncode == 0, done.stderr
    assert "An earlier note changes the next one by" in done.stdout
    assert "TODO no `envelope:`" in done.stdout


@pytest.mark.plugins
def test_calibrate_refuses_bad_input_in_one_line(amsynth: Path, tmp_path: Path) -> None:
    wrong = calibrate(amsynth, "--attack", "Angriff", "--out", tmp_path / "a.yaml")
    assert wrong.returncode == 2
    assert "parameter 'Angriff': the plugin has none of that name; it has 'amp_attack'" in wrong.stderr
    assert not (tmp_path / "a.yaml").exists()
    (tmp_path / "a.yaml").write_text("mine")
    there = calibrate(amsynth, "--out", tmp_path / "a.yaml")
    assert there.returncode == 2
    assert (tmp_path / "a.yaml").read_text() == "mine"
    assert calibrate(tmp_path / "none.so").returncode == 2
