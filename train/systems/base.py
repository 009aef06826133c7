"""The interface of a system: all that training, checkpoints, evaluation and pages know of one.

A system chooses its kinds of examples, makes batches of them, computes the losses of each parameter group,
and converts recordings. To add one, implement `System` and register it in `train.systems.SYSTEMS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from manifests.types import Envelope, InputError, Notes
from train.data.examples import EXAMPLE_KINDS, Example, ExampleKind
from train.data.tables import Tables

Audio = npt.NDArray[np.float32]
"""Mono audio, float32 [samples], full scale 1."""

ALL_TAKES = frozenset({"timbre", "envelope"})
"""The factors that a conversion can take from the reference."""

Gates = Literal["prior", "heard", "legato"]
"""How the note-offs of a recording are chosen."""

GATES: tuple[Gates, ...] = get_args(Gates)

EnvelopeTransform = Callable[[Envelope], Envelope]
"""A function of the measured envelope, such as one that doubles its release."""

Blend = Callable[[float], dict[str, Tensor]]
"""A function from a share, 0 to 1, to the timbre that lies there between two timbres."""


class OptimizerTurn(NamedTuple):
    """One parameter group's turn at a batch.

    Attributes:
        group: name of the parameter group, whose gradients of the losses' sum are computed.
        losses: losses by name, scalar tensors, already weighted.
    """

    group: str
    losses: dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class ConversionRequest:
    """What to convert, and from where each factor comes. The result is as long as the source.

    Attributes:
        source: the recording whose notes are kept, float32 [n] at the system's rate, full scale 1.
        reference: the recording to take from, float32 [m], or None. It may have another length and rhythm.
        take: what the reference gives, of `ALL_TAKES`; what it does not give comes from the source.
        envelope: an envelope to play in place of a measured one, or a function of the measured one.
        octave: the octave of the timbre: the notes sound so many octaves above the source's phrase. "source"
            keeps the pitches of the source, and "reference" plays in the register of the reference. By
            default it is the most probable octave.
        gates: how note-offs are chosen: "prior" holds a note until the next onset unless its sound says
            otherwise, "heard" takes what explains the level best, "legato" holds every note.

    Raises InputError if `take` names anything else, or is not empty without a reference.

    Example::

        ConversionRequest(source, reference, frozenset({"timbre"}), envelope=Envelope(5.0, 200.0, 0.3, 120.0))
    """

    source: Audio
    reference: Audio | None = None
    take: frozenset[str] = frozenset()
    envelope: Envelope | EnvelopeTransform | None = None
    octave: int | Literal["source", "reference"] | None = None
    gates: Gates = "prior"

    def __post_init__(self) -> None:
        unknown = sorted(self.take - ALL_TAKES)
        if unknown:
            raise InputError(f"take: {unknown[0]!r} is none of {', '.join(sorted(ALL_TAKES))}")
        if self.take and self.reference is None:
            raise InputError("take: needs a reference to take from")


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion's audio, and the factors that were played.

    Attributes:
        audio: float32 [n] at the system's rate, as long as the source.
        notes: the notes as they sound, or None from a system without notes.
        envelope: the envelope that was played, or None from a system without one.
        octave: the timbre's octave, by which the notes sound above the phrase, or None from a system without
            notes.
        doubts: one sentence for each thing that could not be measured, and what was done instead.
        octave_probability: probability 0..1 of the timbre's octave, or None from a system without notes.
    """

    audio: Audio
    notes: Notes | None
    envelope: Envelope | None
    octave: int | None
    doubts: tuple[str, ...] = ()
    octave_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What a system measures in a recording.

    Attributes:
        notes: the notes as they sound, times in seconds.
        envelope: the envelope.
        confidence: probability 0..1, by name, that each of the envelope's numbers is right.
        octave: the timbre's octave, by which the notes sound above the phrase.
        octave_probability: its probability, 0..1.
        misfit_db: mean absolute deviation of the recording's level from the one that its notes and envelope
            predict, in dB.
        runner_up: the envelope of the best explanation that was not chosen, or None.
        runner_up_misfit_db: its deviation.
        nearest: names of the nearest train timbres, with their probabilities, the highest first.
        doubts: as in `Conversion`.
    """

    notes: Notes
    envelope: Envelope
    confidence: dict[str, float]
    octave: int
    nearest: tuple[tuple[str, float], ...]
    doubts: tuple[str, ...]
    octave_probability: float = 1.0
    misfit_db: float = 0.0
    runner_up: Envelope | None = None
    runner_up_misfit_db: float = 0.0


@dataclass(frozen=True, slots=True)
class Factors:
    """A recording taken apart.

    Attributes:
        notes: the phrase, transposed by octaves to its register; it sounds `octave` octaves higher.
        envelope: the envelope.
        timbre: the timbre as named tensors, which only the weights that made them can use.
        octave: the timbre's octave.
        samples: length of the recording.
        doubts: as in `Conversion`.
    """

    notes: Notes
    envelope: Envelope
    timbre: dict[str, Tensor]
    octave: int
    samples: int
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """The properties of a dataset that a system is built for.

    Attributes:
        rate: sample rate in Hz.
        cut_fade_ms: length of the fade that ends a cut note, in ms.
        timbres: names of the train timbres, in the order of their classes.
    """

    rate: int
    cut_fade_ms: float
    timbres: tuple[str, ...]


class System(nn.Module, ABC):
    """A codec that can be trained and that converts recordings."""

    name: ClassVar[str]
    """Name of the system in configs and checkpoints."""
    by_number: ClassVar[bool] = True
    """Whether envelopes can be given, and are measured, as numbers."""
    on_device: ClassVar[bool] = False
    """Whether `collate` also accepts audio as tensors on a device, beside NumPy arrays."""
    any_envelope: ClassVar[bool] = True
    """Whether it can be trained with envelopes and timbres that are no rows of the dataset's tables."""
    kinds: ClassVar[Sequence[ExampleKind]] = EXAMPLE_KINDS
    """Kinds of examples that it is trained on."""
    timbre_class_prefixes: ClassVar[tuple[str, ...]] = ()
    """Prefixes of the state-dict keys that classify the train timbres: of no use for other timbres."""
    format: Format

    @abstractmethod
    def collate(self, examples: Sequence[Example], classes: dict[int, int]) -> Any:
        """Makes a batch of CPU tensors, with a method `to(device)`.

        Args:
            examples: clips of the dataset, see `train.data.examples`.
            classes: class of each train timbre, by its id.
        """

    @abstractmethod
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Returns disjoint groups of parameters by name; each has an optimiser of its own."""

    @abstractmethod
    def training_losses(self, batch: Any, progress: float) -> Iterator[OptimizerTurn]:
        """Yields the losses of each parameter group that has a turn at the batch.

        Gradients are taken as soon as a turn is yielded. Optimisers step after all turns at all parts of a
        step's batch. Random draws come from torch's global generator, which is seeded by (seed, step, part).

        Args:
            batch: what `collate` made, on the system's device.
            progress: share of the training that is done, 0..1.
        """

    @abstractmethod
    def convert(self, request: ConversionRequest) -> Conversion:
        """Plays the source's notes with the factors that the request names.

        Raises InputError if the request gives numbers and the system takes recordings only.
        """

    def use_tables(self, tables: Tables) -> None:
        """Sets the weights that follow from a dataset's tables. It is called once, before training starts."""

    def weights_of_older(self) -> dict[str, Tensor]:
        """Returns the values that weights have which older checkpoints lack, by their state-dict keys."""
        return {}

    def needs_preparation(self, progress: float) -> bool:
        """Whether `prepare` has work to do before the step at `progress`, 0..1. It is equal on all ranks."""
        return False

    def prepare(self, progress: float, tables: Tables, folder: Path) -> bool:
        """Makes what the stage at `progress` needs, in the run's folder.

        It is called before a step where `needs_preparation`, on the first rank before the others. Returns
        whether `collate` makes other batches from now on.
        """
        return False

    @property
    def own_rate(self) -> int:
        """The sample rate in Hz at which the system works: conversions hold nothing above half of it."""
        return self.format.rate

    def oracle(self, audio: Audio) -> Audio | None:
        """Reconstructs a recording with nothing converted or estimated: a bound on the system's conversions.

        None from a system without such a path.
        """
        return None

    def describe(self, audio: Audio) -> Description:
        """Measures a recording. Raises InputError if the system has no notes and numeric envelopes."""
        raise self._recordings_only()

    def encode(self, audio: Audio) -> Factors:
        """Takes a recording apart into factors.

        Raises InputError if no note is found, or if the system has no notes and numeric envelopes.
        """
        raise self._recordings_only()

    def decode(self, factors: Factors) -> Conversion:
        """Plays factors, each of which may come from another recording.

        Raises InputError if the timbre is not of this system, or the system has no such factors.
        """
        raise self._recordings_only()

    def timbre_blend(self, start: dict[str, Tensor], end: dict[str, Tensor]) -> Blend:
        """Prepares interpolations between two timbres; share 0 is `start`, 1 is `end`.

        Raises InputError if a timbre is not of this system, or the system has no such factors.
        """
        raise self._recordings_only()

    def refuse_numbers(self, request: ConversionRequest) -> None:
        """Raises InputError if the request gives an envelope or an octave by number."""
        if request.envelope is not None or request.octave is not None:
            raise InputError(
                f"system {self.name}: takes envelope and octave from recordings only, not by number"
            )

    def _recordings_only(self) -> InputError:
        return InputError(f"system {self.name}: does not tell notes or an envelope's numbers")
