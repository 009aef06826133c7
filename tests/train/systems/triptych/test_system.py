"""The codec as a trained system: sizes, seeds, and gradients that reach every weight."""

from __future__ import annotations

import re
from itertools import islice

import pytest
import torch

from manifests.dataset.layout import Layout
from tests.support.paths import TRAIN_CONFIGS
from tests.support.synthetic_dataset import CUT_FADE_MS, make_dataset
from tests.support.training.tiny_codec import RATE, SIZES
from train.config import load_config, parse_config
from train.data.loader import Loader
from train.data.shards import ShardSource
from train.data.tables import Tables
from train.systems import build
from train.systems.base import Format


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("data") / "set", train=(4, 2, 4), seconds=0.5)


def test_building_a_system_leaves_the_global_generator_alone() -> None:
    config = parse_config({"steps": 1, "model": SIZES}, "test")
    before = torch.random.get_rng_state()
    first = build("triptych", config.model, Format(RATE, CUT_FADE_MS, ("one",)), seed=4)
    assert torch.equal(before, torch.random.get_rng_state())
    second = build("triptych", config.model, Format(RATE, CUT_FADE_MS, ("one",)), seed=4)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])


@pytest.mark.parametrize(("name", "most"), [("base", 16.0), ("small", 4.0), ("tiny", 1.0), ("demo", 2.0)])
def test_configs_have_the_sizes_that_are_stated(name: str, most: float) -> None:
    config = load_config(TRAIN_CONFIGS / f"{name}.yaml")
    format = Format(RATE, CUT_FADE_MS, tuple(f"timbre {index}" for index in range(250)))
    system = build(config.system, config.model, format)
    millions = sum(parameter.numel() for parameter in system.parameter_groups()["codec"]) / 1e6
    assert 0.5 * most < millions <= most
    stated = re.search(r"\(([\d.]+) M parameters", (TRAIN_CONFIGS / f"{name}.yaml").read_text())
    assert stated is None or float(stated[1]) == pytest.approx(millions, abs=0.06)
    assert not any(isinstance(module, torch.nn.RNNBase) for module in system.modules())


def test_training_with_tokens_equaliser_and_no_profile_reaches_every_weight(layout: Layout) -> None:
    model = {
        **SIZES,
        "timbre_tokens": 2,
        "equaliser_db": 9.0,
        "rooms": 0.5,
        "profile": False,
        "note_seconds": 0.2,
    }
    config = parse_config({"steps": 1, "model": model}, "test")
    tables = Tables.open(layout.root)
    system = build("triptych", config.model, Format(RATE, CUT_FADE_MS, ("a", "b", "c", "d")), seed=1)
    with Loader(ShardSource(tables), system.kinds, 1, 2, 1) as loader:
        batch = system.collate(list(islice(loader, 4)), {id: id for id in range(4)})
    (turn,) = system.training_losses(batch, 0.0)
    parameters = dict(system.named_parameters())
    gradients = torch.autograd.grad(
        torch.stack(list(turn.losses.values())).sum(), list(parameters.values()), allow_unused=True
    )
    idle = {
        name for (name, _), gradient in zip(parameters.items(), gradients, strict=True) if gradient is None
    }
    # Without a profile nothing is moved, and the discriminator has not started.
    assert {name for name in idle if not name.startswith("discriminator")} <= {"decoder.spread"}
