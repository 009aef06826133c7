"""Training configurations: wrong settings are refused; those that ship load."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from manifests.types import InputError
from train.config import load_config, parse_config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"setps": 3}, "setps: unknown setting"),
        ({"batch": 0}, "batch: .*greater than or equal to 1, got 0"),
        ({"model": {"harmonix": 3}}, "model.harmonix: unknown setting"),
        ({"model": {"harmonics": 7}}, "model.harmonics: .*, got 7"),
        ({"optimiser": {"ema": 1.0}}, "optimiser.ema: .*, got 1.0"),
        ({"system": "wavenet"}, r"run\.yaml: system 'wavenet': expected one of triptych"),
        ({"precision": "fp8"}, "precision: "),
        ({"logger": "visdom"}, "logger.*'tensorboard', 'csv' or 'wandb'.*visdom"),
        ({"logger": 3}, "logger: "),
    ],
)
def test_invalid_configs_are_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump({"steps": 1, **changes}))
    with pytest.raises(InputError, match=message):
        load_config(path)


def test_files_that_are_not_configs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    for text in ("- 1", "a: [", "{}"):
        path.write_text(text)
        with pytest.raises(InputError, match=r"run\.yaml: "):
            load_config(path)
    with pytest.raises(InputError, match="no such config"):
        load_config(tmp_path / "none.yaml")


def test_shipped_configs_load() -> None:
    for path in sorted(Path("configs/train").glob("*.yaml")):
        assert load_config(path).steps > 0


def test_settings_are_read_by_their_old_names() -> None:
    old = {"steps": 1, "judge_every": 7, "judge_pairs": 3, "optimiser": {"falling": 0.5}}
    new = {"steps": 1, "validate_every": 7, "validation_pairs": 3, "optimiser": {"lr_gamma": 0.5}}
    assert parse_config(old, "old") == parse_config(new, "new")
    assert "judge_every" not in parse_config(old, "old").model_dump()
    with pytest.raises(InputError, match="judge_every: unknown setting"):
        parse_config({**new, **old}, "both")


@pytest.mark.parametrize(
    ("given", "names"),
    [("csv", ("csv",)), ("none", ()), ([], ()), (["wandb", "csv", "wandb"], ("wandb", "csv"))],
)
def test_loggers_are_a_name_or_a_list(given: object, names: tuple[str, ...]) -> None:
    config = parse_config({"steps": 1, "logger": given}, "test")
    assert config.logger == names
    assert parse_config(config.model_dump(mode="json"), "again") == config
    assert parse_config({"steps": 1}, "default").logger == ("tensorboard",)
