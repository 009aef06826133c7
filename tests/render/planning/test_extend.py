"""Growing a dataset: present shards stay, and a replay from the start gives the same bytes."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pandas as pd
import pytest

from manifests.dataset.layout import Layout, to_table, write_table
from manifests.splits.splits import grow_sides
from manifests.types import InputError
from render import config as configs
from render.planning.extend import grow_plan, load_plan
from render.planning.growth import check_growth, more_envelopes
from render.planning.plan import make_plan
from tests.support import commands, datasets

PAD = {
    "count": 4,
    "attack_ms": [200, 300],
    "decay_ms": [50, 200],
    "sustain": [0.5, 0.9],
    "release_ms": [30, 120],
}
PHRASES = {"generated": {**datasets.TINY["phrases"]["generated"], "count": 8}}
SECOND: dict[str, Any] = {"timbres": [{"synth": "builtin", "count": 11}], "phrases": PHRASES}
THIRD: dict[str, Any] = {**SECOND, "envelopes": {**datasets.TINY["envelopes"], "pad": PAD}}


@pytest.fixture(scope="module")
def grown(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grows the tiny dataset twice: by timbres and phrases, then by a family of envelopes. Read only."""
    folder = tmp_path_factory.mktemp("grown")
    root = shutil.copytree(tiny, folder / "dataset")
    for changes in (SECOND, THIRD):
        commands.succeed("render", "extend", root, datasets.write_config(folder, **changes))
        commands.succeed("render", "run", root)
    return root


def parts(root: Path, *folders: str) -> dict[str, str]:
    return {name: sha for name, sha in datasets.file_hashes(root).items() if name.split("/")[0] in folders}


def test_old_shards_stay_and_ids_do_not_move(tiny: Path, grown: Path) -> None:
    before = parts(tiny, "shards", "clips")
    assert before.items() < parts(grown, "shards", "clips").items()
    for axis, count in (("timbre", 11), ("envelope", 10), ("phrase", 8), ("block", None)):
        old, new = (Layout(root).read(f"{axis}s").to_pandas() for root in (tiny, grown))
        assert count in (None, len(new))
        # A new id may merge two clusters; nothing else of an old row changes.
        kept = new[: len(old)].drop(columns="cluster", errors="ignore")
        pd.testing.assert_frame_equal(kept, old.drop(columns="cluster", errors="ignore"))
        assert set(new["generation"][len(old) :]) <= {1, 2}
    generations = json.loads((grown / "dataset.json").read_text())["generations"]
    assert [(g["timbres"], g["envelopes"], g["phrases"]) for g in generations] == [
        (6, 6, 6),
        (11, 6, 8),
        (11, 10, 8),
    ]


def test_a_grown_dataset_passes_its_audit(grown: Path) -> None:
    commands.succeed("manifests", "audit", grown, "--hash")
    assert json.loads(commands.succeed("render", "status", grown, "--json"))["stage"] == "done"


def test_a_single_run_that_replays_the_generations_gives_the_same_bytes(grown: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    commands.succeed("render", "plan", grown / "dataset.json", "--out", again)
    commands.succeed("render", "run", again, "--workers", "2")
    assert datasets.file_hashes(again) == datasets.file_hashes(grown)


def test_plans_grown_from_configs_equal_plans_grown_in_the_folder(grown: Path) -> None:
    first, second, third = (configs.parse({**datasets.TINY, **c}, "here") for c in ({}, SECOND, THIRD))
    planned = grow_plan(grow_plan(make_plan(first), second), third)
    there = load_plan(Layout(grown))
    assert planned.metadata == there.metadata
    assert to_table("envelopes", planned.envelopes) == Layout(grown).read("envelopes")
    assert to_table("phrases", planned.phrases) == Layout(grown).read("phrases")


def test_interrupted_growth_is_discarded_or_resumed(tiny: Path, tmp_path: Path) -> None:
    root = shutil.copytree(tiny, tmp_path / "dataset")
    layout = Layout(root)
    # Planned but not committed: rows of a generation that dataset.json does not list.
    planned = configs.load(datasets.write_config(tmp_path, **THIRD))
    rows = more_envelopes(planned, layout.read("envelopes").to_pylist(), 1)
    write_table(layout.table("envelopes"), to_table("envelopes", rows))
    (root / "shards.parquet").unlink()
    (root / "blocks.parquet").unlink()
    done = commands.run("render", "extend", root, tmp_path / "config.yaml")
    assert done.returncode == 2
    assert "is not finished" in done.stderr
    commands.succeed("render", "run", root)
    assert datasets.file_hashes(root) == datasets.file_hashes(tiny)


def test_growing_to_the_present_size_changes_nothing(grown: Path, tmp_path: Path) -> None:
    before = datasets.file_hashes(grown)
    done = commands.run("render", "extend", grown, datasets.write_config(tmp_path, **THIRD))
    assert done.returncode == 0
    assert "already holds all that" in done.stderr
    assert datasets.file_hashes(grown) == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 6}, "seed: 6 != 5"),
        ({"flac_level": 3}, "flac_level: 3 != 5"),
        ({"timbres": [{"synth": "builtin", "count": 4}]}, "timbres.builtin.count: 4, fewer than the 6"),
        ({"timbres": [{"synth": "amsynth", "count": 9}]}, "timbres.builtin: is missing"),
        ({"timbres": [{"synth": "amsynth", "count": 9}, {"synth": "builtin", "count": 6}]}, "in their order"),
        ({"timbres": [{"synth": "builtin", "count": 7}]}, "timbres: one is added"),
        ({"envelopes": {"pluck": datasets.TINY["envelopes"]["pluck"]}}, "envelopes.lead: is missing"),
        (
            {"envelopes": {**datasets.TINY["envelopes"], "lead": {**PAD, "count": 9}}},
            "envelopes.lead.attack_ms",
        ),
    ],
)
def test_config_changes_other_than_growth_are_refused(changes: dict[str, Any], message: str) -> None:
    before, after = (configs.parse({**datasets.TINY, **more}, "here") for more in ({}, changes))
    with pytest.raises(InputError, match=message):
        check_growth(before, after)


@pytest.mark.parametrize("seed", range(40))
def test_new_ids_join_the_side_of_similar_ids(seed: int) -> None:
    draw = np.random.Generator(np.random.PCG64(seed))
    old = int(draw.integers(4, 12))
    of = draw.integers(0, old, old)
    sides = ["test" if cluster % 3 == 0 else "train" for cluster in of]
    new = int(draw.integers(2, 9))
    clusters = [int(c) for c in of] + [int(c) for c in draw.integers(0, 2 * old, new)]
    added = grow_sides(clusters, sides, [None] * new, 0.3, seed, "timbre", 1)
    known = dict(zip(clusters, sides, strict=False))
    for cluster, side in zip(clusters[old:], added, strict=True):
        assert side in {known.get(cluster, side), ""}
    fresh: dict[int, set[str]] = {}
    for cluster, side in zip(clusters[old:], added, strict=True):
        fresh.setdefault(cluster, set()).add(side)
    assert all(len(of_it) == 1 for of_it in fresh.values())
    assert all(added.count(side) != 1 for side in ("train", "test"))


def test_an_id_similar_to_both_sides_is_refused() -> None:
    # Ids 0 and 1 were separate; the new id 2 is similar to both, so that all three are one cluster.
    assert grow_sides([0, 0, 0, 3, 4], ["train", "test"], [None] * 3, 0.3, 1, "timbre", 1)[0] == ""
    assert grow_sides([0, 1, 1, 3, 4], ["train", "synth"], [None] * 3, 0.3, 1, "timbre", 1)[0] == ""


@pytest.mark.verify
def test_a_sampled_product_passes_the_audit_and_a_lost_clip_table_fails_it(tmp_path: Path) -> None:
    splits = {**datasets.TINY["splits"], "sampled": {"train": 0.75, "test_unseen_phrase": 0.5}}
    root = tmp_path / "dataset"
    commands.succeed("render", "make", datasets.write_config(tmp_path, splits=splits), "--out", root)
    commands.succeed("manifests", "audit", root)
    blocks = Layout(root).read("blocks").to_pandas()
    assert (blocks["split"] == "test_unseen_phrase").sum() == 2
    cells = [
        cell
        for row in blocks.itertuples()
        for cell in itertools.product(row.timbres, row.envelopes, row.phrases)
    ]
    assert len(cells) == len(set(cells))


def tune(path: Path, draw: np.random.Generator) -> None:
    """Writes a MIDI file of forty seconds: a random walk of notes of 0.25 to 0.5 s."""
    track = mido.MidiTrack()
    pitch = 62
    for _ in range(100):
        pitch = min(max(pitch + int(draw.integers(-3, 4)), 57), 67)
        track.append(mido.Message("note_on", note=pitch, velocity=90, time=0))
        track.append(mido.Message("note_off", note=pitch, time=int(draw.integers(240, 480))))
    midi = mido.MidiFile()
    midi.tracks.append(track)
    midi.save(str(path))


def test_more_phrases_of_a_midi_file_stay_on_its_side(tmp_path: Path) -> None:
    folder = tmp_path / "tunes"
    folder.mkdir()
    draw = np.random.Generator(np.random.PCG64(1))
    for number in range(8):
        tune(folder / f"{number}.mid", draw)

    def config(count: int) -> configs.Config:
        # Eight tunes give one phrase each, then a second one each, …
        phrases = {"midi": {"folder": str(folder), "count": count}, "generated": PHRASES["generated"]}
        return configs.parse({**datasets.TINY, "phrases": phrases}, "here")

    planned = make_plan(config(8))
    old = planned.phrases
    for number in range(8, 11):
        tune(folder / f"{number}.mid", draw)
    grown = grow_plan(planned, config(20))
    assert [{**row, "cluster": 0} for row in grown.phrases[: len(old)]] == [{**r, "cluster": 0} for r in old]
    added = grown.phrases[len(old) :]
    assert len(added) == 12
    sides: dict[str, set[str]] = {}
    for row in grown.phrases:
        if row["source_sha256"]:
            sides.setdefault(row["source_sha256"], set()).add(row["side"])
    assert len(sides) == 11
    assert all(len(of_it) == 1 for of_it in sides.values())
    assert all([row["side"] for row in added].count(side) != 1 for side in ("train", "test"))
    assert len({row["source"] for row in grown.phrases}) == len(grown.phrases)
