"""Checkpoints: saved and loaded, refused where damaged, and used to start another run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from manifests.dataset.layout import Layout
from manifests.types import InputError
from manifests.version import DISTRIBUTION
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.short_runs import SETTINGS, run_config
from train.checkpoint import (
    load_system,
    metadata_of,
    read_metadata,
    read_state,
    read_weights,
    save_weights,
    start_from,
)
from train.codec.api import load_codec
from train.fitting.loop import fit
from train.systems import build
from train.systems.base import Format
from train.systems.triptych.networks.octave_head import FARTHEST
from train.systems.triptych.system import Triptych


def test_a_checkpoint_survives_saving_and_loading(finished: Path, layout: Layout) -> None:
    system, config, metadata = load_system(finished / "best.safetensors")
    assert config == run_config()
    assert metadata["system"] == "triptych"
    assert system.format.timbres == ("additive 0", "additive 1", "additive 2", "additive 3")
    weights, _ = read_weights(finished / "best.safetensors")
    for name, value in system.state_dict().items():
        assert torch.equal(value, weights[name])


def test_a_checkpoint_from_before_the_octave_head_chooses_octaves_as_before(
    finished: Path, tmp_path: Path
) -> None:
    weights, metadata = read_weights(finished / "best.safetensors")
    older = {name: value for name, value in weights.items() if not name.startswith("octave_head.")}
    assert len(older) < len(weights)
    path = tmp_path / "older.safetensors"
    save_weights(path, older, metadata)
    system, _, _ = load_system(path)
    assert isinstance(system, Triptych)
    vectors = torch.zeros(3, system.config.timbre_dims)
    chosen = system.octave_head(vectors, torch.tensor([-1, 0, 2])).argmax(-1) - FARTHEST
    assert chosen.tolist() == [-1, 0, 2]


def test_damaged_checkpoints_are_refused_by_name(finished: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.safetensors"
    with pytest.raises(InputError, match=r"none\.safetensors: no such checkpoint"):
        load_codec(missing)
    good = finished / "best.safetensors"
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(good.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"torn\.safetensors: not a whole safetensors file"):
        load_codec(torn)
    weights, metadata = read_weights(good)
    plain = tmp_path / "plain.safetensors"
    save_weights(plain, weights, {})
    with pytest.raises(InputError, match=r"plain\.safetensors: checkpoint format None"):
        load_codec(plain)
    for change, what in (
        ({"rate": "0"}, "rate 0 Hz"),
        ({"rate": "x"}, "invalid literal"),
        ({"cut_fade_ms": "nan"}, "cut fade nan ms"),
        ({"timbres": "{"}, "Expecting property name"),
        ({"timbres": "3"}, "not iterable"),
        ({"config": "[]"}, "config: expected settings"),
        ({"step": "soon"}, "invalid literal"),
    ):
        save_weights(plain, weights, {**metadata, **change})
        with pytest.raises(InputError, match=rf"plain\.safetensors: its metadata are .*{what}"):
            read_metadata(plain)
    # Checkpoints from before 0.1.0 lack the package's version.
    for field in metadata.keys() - {"triptych_checkpoint", DISTRIBUTION}:
        save_weights(plain, weights, {key: value for key, value in metadata.items() if key != field})
        with pytest.raises(InputError, match=f"plain.safetensors: its metadata are .*no '{field}'"):
            load_codec(plain)
    name = "encoder.enter.weight"
    short = tmp_path / "short.safetensors"
    save_weights(short, {key: value for key, value in weights.items() if key != name}, metadata)
    with pytest.raises(InputError, match=f"short.safetensors: weight '{name}' is missing"):
        load_codec(short)
    save_weights(short, {**weights, name: weights[name][:3]}, metadata)
    with pytest.raises(InputError, match=f"weight '{name}' has shape"):
        load_codec(short)
    save_weights(short, {**weights, name: weights[name] * float("nan")}, metadata)
    with pytest.raises(InputError, match=f"weight '{name}' is not finite"):
        load_codec(short)


class Evil:
    """An object that creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_state_that_would_run_code_is_refused(finished: Path, tmp_path: Path) -> None:
    path, trap = tmp_path / "last.state.pt", tmp_path / "trap"
    for content in (
        pickle.dumps(Evil(trap), protocol=2),
        b"",
        (finished / "last.state.pt").read_bytes()[:1000],
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"last\.state\.pt: not a whole training state"):
            read_state(path)
    torch.save({"a": Evil(trap)}, path)
    with pytest.raises(InputError, match="not a whole training state"):
        read_state(path)
    assert not trap.exists()


def test_a_run_starts_from_the_weights_of_another(finished: Path, layout: Layout, tmp_path: Path) -> None:
    """Fine-tuning at another rate: other timbres get a new class head, all else is kept."""
    best = finished / "best.safetensors"
    other = make_dataset(tmp_path / "other", train=(6, 2, 4), seconds=0.8, seed=9, rate=32_000)
    config = run_config(steps=1, validation_pairs=0, start_from=str(best), optimiser={"learning_rate": 1e-9})
    fit(config, other.root, tmp_path / "run")
    actual, expected = read_weights(tmp_path / "run" / "last.safetensors")[0], read_weights(best)[0]
    assert actual["timbre_head.weight"].shape[0] == 6
    for name in expected:
        # The shares of registers are those of the dataset's own phrases.
        if not name.startswith(("timbre_head.", "octave_head.register_shares")):
            torch.testing.assert_close(actual[name], expected[name], atol=1e-6, rtol=0, msg=name)
    model = {**SETTINGS["model"], "decoder_width": 32}  # type: ignore[dict-item]
    with pytest.raises(InputError, match=r"best\.safetensors: weight 'decoder\..* has shape"):
        fit(run_config(start_from=str(best), model=model), other.root, tmp_path / "wide")
    with pytest.raises(InputError, match=r"none\.safetensors: no such checkpoint"):
        fit(run_config(start_from="none.safetensors"), other.root, tmp_path / "none")


def test_only_weights_that_name_timbres_are_reinitialised(tmp_path: Path) -> None:
    """Holds also where another layer has as many rows as there are timbres: eight here."""
    expected, actual = (
        build(
            "triptych", run_config().model, Format(44_100, 3.0, tuple(f"{side} {i}" for i in range(8))), seed
        )
        for seed, side in ((1, "their"), (2, "our"))
    )
    path, own = tmp_path / "theirs.safetensors", {n: w.clone() for n, w in actual.state_dict().items()}
    save_weights(path, expected.state_dict(), metadata_of(run_config(), expected, 1, "x"))
    start_from(actual, path)
    assert actual.timbre_encoder.leave.weight.shape[0] == actual.timbre_head.weight.shape[0] == 8
    for name, weight in actual.state_dict().items():
        begun = own if name.startswith("timbre_head.") else expected.state_dict()
        assert torch.equal(weight, begun[name]), name
