"""Defines a dataset's YAML config and checks it field by field before anything is rendered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from manifests.cli.settings import first_fault
from manifests.types import DEFAULT_CURVE, SPLITS, Curve, InputError
from midi.extract import ExtractSpec
from midi.generate import GenerateSpec

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Milliseconds = Annotated[float, Field(ge=0.0, le=60_000.0)]


class Strict(BaseModel):
    """A config section: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Clip(Strict):
    """Format of every clip: length in seconds, rate in Hz, peak in dBFS, fade of a cut note in ms."""

    seconds: float = Field(3.0, gt=0.1, le=60.0)
    rate: int = Field(44_100, ge=8_000, le=192_000)
    peak_dbfs: float = Field(-1.0, le=0.0, ge=-40.0)
    cut_fade_ms: float = Field(3.0, ge=0.5, le=50.0)


class Timbres(Strict):
    """Timbres taken from one synth: its presets in a seeded order, until `count` have passed the checks."""

    synth: str
    """A ready-made profile's name, or the path of a profile file or of a plugin."""
    count: int = Field(ge=1)
    plugin: Path | None = None
    profile: Path | None = None
    """The profile file or plugin that `synth` is opened by. Planning puts a path given as `synth` here, and
    the profile's name in its place."""
    optional: bool = False
    """Whether the synth is left out, with a remark, if it is not installed. By default that is an error."""
    scan: Path | None = None
    """A table made by `python -m presets scan`: only its passing presets are tried."""
    altered: Fraction = 0.0
    """Share of these timbres that are altered (`manifests.synthesis.recipe`); needs `shaping: renderer`."""
    skip_bad: bool = False
    """Whether preset files that cannot be read are left out, with a remark. By default that is an error."""
    select: dict[str, bool | float | str | list[bool | float | str | None]] | None = None
    """Which presets of the scan pass (see `presets.scan.selection`); by default the usable, distinct ones."""

    @model_validator(mode="after")
    def _select_from_a_scan(self) -> Self:
        if self.select is not None and self.scan is None:
            raise ValueError("select: needs a `scan` to select from")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        # Left out where nothing is altered, so that older fingerprints hold.
        if not self.altered:
            del plain["altered"]
        if not self.skip_bad:
            del plain["skip_bad"]
        return plain


class Tones(Strict):
    """How tone sets are made, and the checks that they must pass."""

    seconds: float | None = Field(None, ge=0.1, le=60.0)
    """Length of a tone in seconds; by default planning sets what the phrases need. Set more if longer notes
    are to be added later."""
    lowest_pitch: int = Field(48, ge=0, le=127)
    highest_pitch: int = Field(79, ge=0, le=127)
    velocity: int = Field(100, ge=1, le=127)
    settle_s: float = Field(1.0, ge=0.0, le=20.0)
    max_level_variation_db: float = Field(1.0, gt=0.0)
    require_pitched: bool = True

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.highest_pitch < self.lowest_pitch:
            raise ValueError("highest_pitch is below lowest_pitch")
        return self


class Range(Strict):
    """A closed range to draw from uniformly, written [low, high] or as one number."""

    low: float
    high: float

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: Any) -> Any:
        if isinstance(value, list) and len(value) == 2:
            return {"low": value[0], "high": value[1]}
        if isinstance(value, int | float):
            return {"low": value, "high": value}
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0.0 <= self.low <= self.high:
            raise ValueError(f"expected 0 <= low <= high, got [{self.low}, {self.high}]")
        return self


class Family(Strict):
    """A family of envelopes, each value drawn uniformly from its range (times in ms, sustain 0..1)."""

    count: int = Field(ge=1)
    attack_ms: Range
    hold_ms: Range = Range(low=0.0, high=0.0)
    decay_ms: Range
    sustain: Range
    release_ms: Range
    curve: Curve = DEFAULT_CURVE

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if self.sustain.high > 1.0:
            raise ValueError(f"sustain: expected levels 0..1, got up to {self.sustain.high}")
        return self


class MidiPhrases(Strict):
    """Phrases cut from a folder of .mid files."""

    folder: Path
    count: int = Field(ge=1)
    extract: ExtractSpec = ExtractSpec()
    skip_bad: bool = False
    """Whether files that cannot be read are left out, with a remark. By default that is an error."""

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        if not self.skip_bad:
            del plain["skip_bad"]
        return plain


class GeneratedPhrases(Strict):
    """Phrases from the built-in generator."""

    count: int = Field(ge=1)
    generate: GenerateSpec = GenerateSpec()


class Phrases(Strict):
    """Sources of phrases: the generator, MIDI files, or both."""

    generated: GeneratedPhrases | None = None
    midi: MidiPhrases | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.generated is None and self.midi is None:
            raise ValueError("give `generated`, `midi` or both")
        return self


class Splits(Strict):
    """The share of each axis kept for tests, and the share of train blocks held out as validation."""

    test_timbres: Fraction = 0.2
    test_envelopes: Fraction = 0.2
    test_phrases: Fraction = 0.2
    validation: Fraction = 0.1
    unseen_synth: str | None = None
    sampled: dict[str, Annotated[float, Field(gt=0.0, le=1.0)]] = {}
    """The share of its blocks that a split renders; by default all. `validation` is taken from the blocks
    that `train` keeps."""

    @model_validator(mode="after")
    def _known_splits(self) -> Self:
        if unknown := sorted(set(self.sampled) - (set(SPLITS) - {"validation"})):
            raise ValueError(f"sampled: {unknown[0]!r} is not train or a test split")
        return self


class Blocks(Strict):
    """The largest size of a block along each axis, and how many blocks a shard holds."""

    timbres: int = Field(4, ge=2, le=64)
    envelopes: int = Field(4, ge=2, le=64)
    phrases: int = Field(4, ge=2, le=64)
    per_shard: int = Field(64, ge=1, le=4096)


class Config(Strict):
    """The config of a dataset."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    seed: int = Field(ge=0)
    shaping: Literal["renderer", "plugin"] = "renderer"
    labels: Literal["asked", "measured"] = "asked"
    """Whether a preset that plays other envelopes than asked is refused, or rows state what it plays."""
    pitching: Literal["multisample", "one_shot"] = "multisample"
    clip: Clip = Clip()
    timbres: list[Timbres] = Field(min_length=1)
    tones: Tones = Tones()
    envelopes: dict[str, Family] = Field(min_length=1)
    phrases: Phrases
    splits: Splits = Splits()
    blocks: Blocks = Blocks()
    buffer_size: int = Field(512, ge=16, le=8192)
    flac_level: int = Field(5, ge=0, le=8)

    @model_validator(mode="after")
    def _distinct_synths(self) -> Self:
        names = [timbres.synth for timbres in self.timbres]
        if len(set(names)) != len(names):
            raise ValueError(f"timbres: each synth once, got {names}")
        return self

    @model_validator(mode="after")
    def _altered_by_the_renderer(self) -> Self:
        if self.shaping == "plugin" and any(timbres.altered for timbres in self.timbres):
            raise ValueError(
                "timbres.altered: needs shaping: renderer, since a plugin plays no altered timbre"
            )
        return self

    @model_validator(mode="after")
    def _labels_of_a_plugin(self) -> Self:
        if self.shaping != "plugin" and self.labels != "asked":
            raise ValueError("labels: measured needs shaping: plugin; the renderer's labels are exact")
        return self

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        # Left out where it is the default, so that older fingerprints hold.
        if self.labels == "asked":
            del plain["labels"]
        return plain

    def longest_settle_ms(self) -> float:
        """Returns the longest attack + hold + decay in ms that can be drawn."""
        return max(f.attack_ms.high + f.hold_ms.high + f.decay_ms.high for f in self.envelopes.values())

    def longest_release_ms(self) -> float:
        """Returns the longest release in ms that can be drawn."""
        return max(f.release_ms.high for f in self.envelopes.values())


def skipping_bad(config: Config) -> Config:
    """Returns the config with `skip_bad` for its synths' presets and its MIDI files."""
    timbres = [one.model_copy(update={"skip_bad": True}) for one in config.timbres]
    midi = config.phrases.midi and config.phrases.midi.model_copy(update={"skip_bad": True})
    phrases = config.phrases.model_copy(update={"midi": midi})
    return config.model_copy(update={"timbres": timbres, "phrases": phrases})


def parse(raw: Any, source: str) -> Config:
    """Checks plain data as a config; raises InputError with one line: `source`, the field, the fault.

    Example: `parse(yaml.safe_load(text), "config.yaml").clip.rate`.
    """
    if not isinstance(raw, dict):
        raise InputError(f"{source}: expected a mapping of settings, got {type(raw).__name__}")
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        raise InputError(f"{source}: {first_fault(error.errors(), 'config')}") from None


def generations(metadata: dict[str, Any], source: str) -> list[Config]:
    """Returns the configs of a dataset.json's generations, in order; raises InputError if one is invalid."""
    return [parse(one.get("config", metadata["config"]), source) for one in metadata["generations"]]


def load(path: Path) -> Config:
    """Reads the config in a YAML file; raises InputError if it is missing or invalid.

    The file is UTF-8, whatever the locale. A relative MIDI folder is relative to the current folder.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such config file") from None
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        raise InputError(f"{path}: not a YAML config ({' '.join(str(error).split())[:160]})") from None
    return parse(raw, str(path))
