"""What the loop, the checkpoints, the evaluation and the page know of a system: this and no more.

A system says which kinds of examples it wants and how it batches them, takes its turns at a batch
(a turn: which of its players learns, from which losses), and converts. Adding a system means writing this
class and naming it in `train.systems`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from manifests.types import Envelope, InputError, Notes
from train.data.examples import EXAMPLE_KINDS, Example, ExampleKind
from train.data.tables import Tables

Audio = npt.NDArray[np.float32]

ALL_TAKES = frozenset({"timbre", "envelope"})


class Turn(NamedTuple):
    """One player's move: its parameters descend the sum of `losses` (weighted already, by name)."""

    player: str
    losses: dict[str, Tensor]


EnvelopeTransform = Callable[[Envelope], Envelope]
"""A function of the measured envelope, such as one that doubles its release."""


@dataclass(frozen=True, slots=True)
class ConversionRequest:
    """What to convert, and from where each factor comes. The result is as long as the source.

    Attributes:
        source: the recording whose notes are kept, float32 [n] at the system's rate, full scale 1.
        reference: the recording to take from, float32 [m], or None. It may have another length and rhythm.
        take: what the reference gives, of `ALL_TAKES`; what it does not give comes from the source.
        envelope: an envelope to play in place of a measured one, or a function of the measured one.
        octave: the octave in which the notes sound, in place of the timbre's.

    Raises InputError if `take` names anything else, or is not empty without a reference.

    Example::

        ConversionRequest(source, reference, frozenset({"timbre"}), envelope=Envelope(5.0, 200.0, 0.3, 120.0))
    """

    source: Audio
    reference: Audio | None = None
    take: frozenset[str] = frozenset()
    envelope: Envelope | EnvelopeTransform | None = None
    octave: int | None = None

    def __post_init__(self) -> None:
        unknown = sorted(self.take - ALL_TAKES)
        if unknown:
            raise InputError(f"take: {unknown[0]!r} is none of {', '.join(sorted(ALL_TAKES))}")
        if self.take and self.reference is None:
            raise InputError("take: needs a reference to take from")


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion's audio (float32 [n] at the codec's rate) and what it was made of.

    `notes` sound as written, `octave` is the one they sound in; all None from a system that does not tell.
    `doubts` are sentences for the user: what could not be heard, and what was done instead.
    """

    audio: Audio
    notes: Notes | None
    envelope: Envelope | None
    octave: int | None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What a system hears in a recording: notes as they sound, the envelope and a confidence 0..1 for each of
    its numbers, the octave, and the known timbres that are nearest, with their probabilities."""

    notes: Notes
    envelope: Envelope
    confidence: dict[str, float]
    octave: int
    nearest: tuple[tuple[str, float], ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Factors:
    """A recording taken apart: its phrase (notes in the register, without the octave), its envelope, and
    its timbre as tensors that only the same weights can read. `samples` is how long it was, `doubts` are as
    a conversion's."""

    notes: Notes
    envelope: Envelope
    timbre: dict[str, Tensor]
    octave: int
    samples: int
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """What a system must know of the data it is made for."""

    rate: int
    cut_fade_ms: float
    timbres: tuple[str, ...]
    """Names of the train timbres, in the order of their classes."""


class System(nn.Module, ABC):
    """A codec that can be trained and can convert."""

    name: ClassVar[str]
    by_number: ClassVar[bool] = True
    """Whether it takes envelopes by number and tells the ones it hears."""
    on_device: ClassVar[bool] = False
    """Whether `collate` takes audio as tensors on a device too; otherwise it gets NumPy arrays only."""
    any_envelope: ClassVar[bool] = True
    """Whether it can learn from envelopes and timbres that are no rows of the dataset's tables."""
    kinds: ClassVar[Sequence[ExampleKind]] = EXAMPLE_KINDS
    timbre_names: ClassVar[tuple[str, ...]] = ()
    """How the names of weights begin that tell the train timbres apart: of no use for other ones."""
    format: Format

    @abstractmethod
    def collate(self, examples: Sequence[Example], classes: dict[int, int]) -> Any:
        """Examples as a batch of CPU tensors with a `to(device)`; `classes` maps train timbres to places."""

    @abstractmethod
    def players(self) -> dict[str, list[nn.Parameter]]:
        """The parameters of each player, disjoint; each player has an optimiser of its own."""

    @abstractmethod
    def turns(self, batch: Any, progress: float) -> Iterator[Turn]:
        """The turns at one batch; `progress` is the share of the training done, 0..1.

        Players step when all turns at all parts of a step's batch are done. What is drawn from torch's
        generator here is seeded by (seed, step, part).
        """

    @abstractmethod
    def convert(self, request: ConversionRequest) -> Conversion:
        """Plays the source's notes with the factors that the request names.

        Raises InputError if the request gives numbers and the system takes recordings only.
        """

    def prepare(self, progress: float, tables: Tables, folder: Path) -> bool:
        """Called before each step: makes in `folder` (the run's) what the stage at `progress` needs first,
        and says whether `collate` makes other batches from now on. Called too when a run is gone on with."""
        return False

    @property
    def own_rate(self) -> int:
        """The rate in Hz that it works at inside: its conversions hold nothing above half of it."""
        return self.format.rate

    def oracle(self, audio: Audio) -> Audio | None:
        """What its own way back to audio makes of a recording when nothing need be converted or guessed.

        A bound on its conversions, to be reported beside them. None from a system that has none.
        """
        return None

    def describe(self, audio: Audio) -> Description:
        """What the system hears in a recording."""
        raise self._untold()

    def encode(self, audio: Audio) -> Factors:
        """A recording's three factors; InputError where no note is heard."""
        raise self._untold()

    def decode(self, factors: Factors) -> Conversion:
        """Plays factors, wherever each of them comes from."""
        raise self._untold()

    def blend(self, one: dict[str, Tensor], other: dict[str, Tensor], share: float) -> dict[str, Tensor]:
        """A timbre between two: `share` 0 is the one, 1 the other."""
        raise self._untold()

    def refuse_numbers(self, request: ConversionRequest) -> None:
        """Raises InputError if the request gives an envelope or an octave by number."""
        if request.envelope is not None or request.octave is not None:
            raise InputError(
                f"system {self.name}: takes envelope and octave from recordings only, not by number"
            )

    def _untold(self) -> InputError:
        """What a system says that takes recordings only (`by_number` False)."""
        return InputError(f"system {self.name}: does not tell notes or an envelope's numbers")
