"""A test set: a folder of recordings, what was played in them, and what each system heard.

- truth.json: the clips in order, see `Truth`;
- audio/CLIP.wav: the recordings;
- heard/SYSTEM.json: what a system heard in each clip, see `Heard`;
- mir_eval.json: scores by mir_eval, from `independent.py`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from manifests.splits.seeds import permutation
from manifests.types import ClipId, Envelope, InputError, Note, Notes
from train.data.clips import read_clips
from train.data.tables import Tables


@dataclass(frozen=True, slots=True)
class Truth:
    """What was played in a clip.

    Attributes:
        clip: Name of the clip, and of its file in `audio/`.
        group: Clips of one group count as one in means.
        seconds: Length of the clip.
        notes: The notes as they sound. None if they are not known.
        envelope: The envelope. None if it is not known.
        states_envelope: Whether stated envelopes are scored against `envelope`.
        octave: The timbre's octave. None if it is not known.
    """

    clip: str
    group: str
    seconds: float
    notes: Notes | None
    envelope: Envelope | None
    states_envelope: bool
    octave: int | None


@dataclass(frozen=True, slots=True)
class Heard:
    """What a system heard in a clip: the sounding notes, and, where it states them, envelope and octave."""

    notes: Notes
    envelope: Envelope | None = None
    octave: int | None = None


def draw_test_set(data: Path, split: str, clips: int, seed: int, out: Path) -> None:
    """Draws clips of a split of a dataset or tone bank and writes them as a test set.

    All clips are taken if the split holds fewer. Raises InputError if the split has none.
    """
    tables = Tables.open(data)
    ids = [id for block in tables.blocks(split) for id in block.ids()]
    chosen = sorted(ids[index] for index in permutation(seed, len(ids), "hearing", split)[:clips])
    audio = read_clips(tables.layout, [id.key for id in chosen])
    write_test_set(
        out,
        [clip_truth(tables, id) for id in chosen],
        {id.key: (audio[id.key], tables.rate) for id in chosen},
    )


def clip_truth(tables: Tables, id: ClipId) -> Truth:
    """Returns what was played in a clip, from the dataset's tables."""
    return Truth(
        clip=id.key,
        group=id.key,
        seconds=tables.frames / tables.rate,
        notes=tables.sounding_notes(id.timbre, id.phrase),
        envelope=tables.envelopes[id.envelope],
        states_envelope=True,
        octave=tables.timbre_octaves[id.timbre],
    )


def write_test_set(
    out: Path, truths: Sequence[Truth], audio: Mapping[str, tuple[npt.NDArray[np.int16], int] | Path]
) -> None:
    """Writes a test set. `audio` holds for each clip int16 [samples] and its rate in Hz, or a WAV file.

    Raises InputError if the folder exists.
    """
    if out.exists():
        raise InputError(f"{out}: exists; remove it, or name another folder")
    (out / "audio").mkdir(parents=True)
    for truth in truths:
        sound, file = audio[truth.clip], audio_file(out, truth.clip)
        if isinstance(sound, Path):
            shutil.copyfile(sound, file)
        else:
            soundfile.write(file, sound[0], sound[1], subtype="PCM_16")
    (out / "truth.json").write_text(json.dumps([_to_json(truth) for truth in truths], indent=1) + "\n")


def read_truths(folder: Path) -> list[Truth]:
    """Reads what was played in the clips of a test set. Raises InputError if the folder is none."""
    try:
        rows = json.loads((folder / "truth.json").read_text())
    except FileNotFoundError:
        raise InputError(f"{folder}: no truth.json; make the test set by `draw` or `pairs` first") from None
    return [Truth(**_from_json(row)) for row in rows]


def audio_file(folder: Path, clip: str) -> Path:
    """Returns the path of a clip's recording."""
    return folder / "audio" / f"{clip}.wav"


def write_heard(folder: Path, system: str, heard: dict[str, Heard]) -> None:
    """Writes what a system heard in each clip of a test set."""
    (folder / "heard").mkdir(exist_ok=True)
    rows = {clip: _to_json(one) for clip, one in heard.items()}
    (folder / "heard" / f"{system}.json").write_text(json.dumps(rows, indent=1) + "\n")


def read_heard(folder: Path) -> dict[str, dict[str, Heard]]:
    """Reads what each system heard in a test set: system -> clip -> what it heard."""
    return {
        path.stem: {clip: Heard(**_from_json(row)) for clip, row in json.loads(path.read_text()).items()}
        for path in sorted((folder / "heard").glob("*.json"))
    }


def _to_json(value: Truth | Heard) -> dict[str, Any]:
    row = asdict(value)
    if value.notes is not None:
        row["notes"] = [[note.onset, note.duration, note.pitch, note.velocity] for note in value.notes]
    return row


def _from_json(row: dict[str, Any]) -> dict[str, Any]:
    notes, envelope = row.get("notes"), row.get("envelope")
    return row | {
        "notes": None if notes is None else tuple(Note(*note) for note in notes),
        "envelope": None if envelope is None else Envelope(**envelope),
    }
