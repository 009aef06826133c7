"""The configs of hearing: a plan of all registers and families, and a codec that trains from its bank."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
import yaml

from manifests.dataset.rows import envelope_of, notes_of
from manifests.synthesis.octaves import median_pitch, octave_of
from manifests.types import CURVES
from render.config import load, parse
from render.planning.plan import make_plan
from tests.support import commands
from tests.support.paths import ROOT
from train.data.bank.source import BankSource
from train.data.tables import Tables

BANK, CODEC = ROOT / "configs" / "hearing.yaml", ROOT / "configs" / "train" / "hearing.yaml"


def test_the_plan_holds_all_registers_articulations_and_families() -> None:
    plan = make_plan(load(BANK))
    phrases = [notes_of(row) for row in plan.phrases]
    octaves = [octave_of(median_pitch(notes)) for notes in phrases]
    assert all(octaves.count(octave) >= 10 for octave in (-1, 0, 1))
    shortest = [min(note.duration for note in notes) for notes in phrases]
    assert 10 <= sum(duration < 0.099 for duration in shortest) <= 30, "staccato phrases"
    assert sum(a.pitch == b.pitch for notes in phrases for a, b in pairwise(notes)) > 40
    assert {envelope_of(row).curve for row in plan.envelopes} == set(CURVES)
    assert {row["family"] for row in plan.envelopes} == set(load(BANK).envelopes)
    read_again = parse(plan.metadata["config"], "dataset.json")
    assert read_again.phrases.generated is not None
    assert read_again.phrases.generated.generate.registers == (-1, 1)
    assert {timbres.altered for timbres in read_again.timbres} == {0.3}


@pytest.mark.verify
def test_a_codec_trains_from_a_small_bank_of_this_kind(tmp_path: Path) -> None:
    config = yaml.safe_load(BANK.read_text())
    config["timbres"] = [{"synth": "builtin", "count": 10, "altered": 0.3}]
    config["splits"] |= {"test_timbres": 0.2}
    (tmp_path / "bank.yaml").write_text(yaml.safe_dump(config))
    training = yaml.safe_load(CODEC.read_text())
    training |= {"steps": 3, "batch": 2, "save_every": 3, "validate_every": 3, "validation_pairs": 1}
    (tmp_path / "codec.yaml").write_text(yaml.safe_dump(training))
    data, run = tmp_path / "data", tmp_path / "run"
    for words in (
        ("render", "plan", tmp_path / "bank.yaml", "--out", data),
        ("render", "tones", data),
        ("manifests", "audit", data / "tones"),
        ("train", "fit", tmp_path / "codec.yaml", "--data", data / "tones", "--out", run),
    ):
        done = commands.run(*words)
        assert done.returncode == 0, done.stderr
    assert (run / "best.safetensors").is_file()

    tables = Tables.open(data / "tones")
    source = BankSource(tables, seed=2, pool_blocks=2, altered=0.5)
    registers, altered = set(), 0
    for block in source.compose_pool(0):
        for clip in source.clips(block, range(block.clips)):
            timbre = block.timbres[clip.id.timbre]
            recipe = dict(zip(block.timbres, block.recipes, strict=True))[clip.id.timbre]
            octave = tables.timbre_octaves[timbre] + (recipe.octave if recipe else 0)
            written = block.phrases[clip.id.phrase]
            assert [note.pitch - 12 * octave for note in clip.notes] == [note.pitch for note in written]
            registers.add(octave_of(median_pitch(written)))
            altered += recipe is not None
            assert torch.as_tensor(clip.audio).abs().max() > 20_000
    assert len(registers) > 1
    assert altered > 10
