"""What it says, from the tables alone: ids, values, blocks, coverage, and that nothing leaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from manifests import compose
from manifests.audit.findings import Finding, some
from manifests.splits import SIDES_OF_SPLIT
from manifests.vocabulary import ENVELOPE_FIELDS

AXES = ("timbre", "envelope", "phrase")


@dataclass(frozen=True, slots=True)
class Tables:
    """A dataset's tables as DataFrames, and its config."""

    clips: pd.DataFrame
    timbres: pd.DataFrame
    envelopes: pd.DataFrame
    phrases: pd.DataFrame
    blocks: pd.DataFrame
    shards: pd.DataFrame
    config: dict[str, Any]

    def axis(self, name: str) -> pd.DataFrame:
        """The table of an axis: timbre, envelope or phrase."""
        frame: pd.DataFrame = getattr(self, f"{name}s")
        return frame


def id_findings(tables: Tables) -> Iterator[Finding]:
    """Ids are their rows' places, and every clip's ids, key and values are those of the tables."""
    for axis in (*AXES, "block"):
        frame = tables.axis(axis)
        wrong = frame.index[frame[axis].to_numpy() != np.arange(len(frame))]
        yield from some("ids", ((f"{axis}s.parquet row {i}", "id is not its place") for i in wrong))
    clips = tables.clips
    for axis in (*AXES, "block"):
        outside = clips[(clips[axis] < 0) | (clips[axis] >= len(tables.axis(axis)))]
        yield from some("ids", ((key, f"has a {axis} id that no row has") for key in outside["key"]))
    expected = _keys(clips)
    yield from some(
        "keys", ((k, "does not spell its row's ids") for k in clips["key"][clips["key"] != expected])
    )
    doubled = clips["key"][clips["key"].duplicated()]
    yield from some("keys", ((key, "has more than one row") for key in doubled))


def _keys(clips: pd.DataFrame) -> pd.Series:
    def digits(column: str, width: int) -> pd.Series:
        return clips[column].astype(str).str.zfill(width)

    return (
        "b" + digits("block", 6) + "_t" + digits("timbre", 5)
        + "_e" + digits("envelope", 4) + "_p" + digits("phrase", 4)
    )  # fmt: skip


def value_findings(tables: Tables) -> Iterator[Finding]:
    """Envelope values, octave, frames, rate and peak of each clip are those its ids and config call for."""
    clips, clip = tables.clips, tables.config["clip"]
    valid = clips[_in_tables(tables)]
    envelopes = tables.envelopes.iloc[valid["envelope"].to_numpy()]
    for name in ENVELOPE_FIELDS:
        wrong = valid["key"][valid[name].to_numpy() != envelopes[name].to_numpy()]
        yield from some("values", ((key, f"{name} is not its envelope's") for key in wrong))
    octaves = tables.timbres["octave"].to_numpy()[valid["timbre"].to_numpy()]
    wrong = valid["key"][valid["octave"].to_numpy() != octaves]
    yield from some("values", ((key, "octave is not its timbre's") for key in wrong))
    constants = {
        "frames": compose.to_samples(clip["seconds"], clip["rate"]),
        "rate": clip["rate"],
        "peak": compose.peak_value(clip["peak_dbfs"]),
        "cut_fade_ms": clip["cut_fade_ms"],
    }
    for name, value in constants.items():
        wrong = clips["key"][clips[name] != value]
        yield from some("values", ((key, f"{name} is not the configured {value}") for key in wrong))


def _in_tables(tables: Tables) -> pd.Series:
    inside = pd.Series(True, index=tables.clips.index)
    for axis in AXES:
        inside &= tables.clips[axis].between(0, len(tables.axis(axis)) - 1)
    return inside


def block_findings(tables: Tables) -> Iterator[Finding]:
    """Every block is a full factorial, whole and in order in its shard, and lies where its row says."""
    clips = tables.clips
    counts = clips.groupby("block").size().reindex(tables.blocks["block"], fill_value=0)
    wrong_count = counts.to_numpy() != tables.blocks["clips"].to_numpy()
    yield from some(
        "blocks",
        (
            (f"block {row.block}", f"has {counts[row.block]} clip rows, its row says {row.clips}")
            for row in tables.blocks[wrong_count].itertuples()
        ),
    )
    cells = tables.blocks[~wrong_count].apply(_cells, axis=1)
    expected = np.concatenate(cells.to_list()) if len(cells) else np.empty((0, 4), dtype=np.int64)
    whole = clips[~clips["block"].isin(tables.blocks["block"][wrong_count])]
    actual = whole.sort_values(["block", "offset"])[["block", *AXES]].to_numpy()
    if len(actual) == len(expected):
        wrong = sorted({int(b) for b in expected[(actual != expected).any(axis=1)][:, 0]})
        yield from some(
            "blocks", ((f"block {b}", "its clips are not its ids' product, in order") for b in wrong)
        )
    place = tables.blocks.set_index("block").reindex(clips["block"])
    for name in ("split", "shard"):
        wrong_keys = clips["key"][place[name].to_numpy() != clips[name].to_numpy()]
        yield from some("blocks", ((key, f"{name} is not its block's") for key in wrong_keys))
    begin = place["offset"].to_numpy(dtype=float)
    end = begin + place["length"].to_numpy(dtype=float)
    out = (clips["offset"] < begin) | (clips["offset"] + clips["length"] > end)
    yield from some("blocks", ((key, "lies outside its block's bytes") for key in clips["key"][out]))


def _cells(row: Any) -> np.ndarray:
    """A block's cells as [n, 4] (block, timbre, envelope, phrase), in the order of the tar."""
    t, p, e = np.meshgrid(row["timbres"], row["phrases"], row["envelopes"], indexing="ij")
    return np.stack([np.full(t.size, row["block"]), t.ravel(), e.ravel(), p.ravel()], axis=1)


def coverage_findings(tables: Tables) -> Iterator[Finding]:
    """Each split covers its product of ids exactly once; train and validation share theirs.

    A substitute counts as the timbre that it stands for.
    """
    stood_for = tables.clips["substitutes"].fillna(tables.clips["timbre"]).astype("int64")
    cells = tables.clips.assign(cover=tables.clips["split"].replace("validation", "train"), timbre=stood_for)
    for split, found in cells.groupby("cover"):
        wanted = 1
        for axis, side in zip(AXES, SIDES_OF_SPLIT[str(split)], strict=True):
            wanted *= int((tables.axis(axis)["side"] == side).sum())
        distinct = len(found[list(AXES)].drop_duplicates())
        if distinct != wanted or len(found) != wanted:
            yield Finding(
                "coverage", str(split), f"{len(found)} clips on {distinct} cells, {wanted} in the product"
            )
    for name, rows in tables.shards.groupby("split"):
        if int(rows["clips"].sum()) != int((tables.clips["split"] == name).sum()):
            yield Finding(
                "coverage", str(name), "shards.parquet counts other clips than the clip tables hold"
            )


def leak_findings(tables: Tables) -> Iterator[Finding]:
    """No unseen id in train, no cluster on two sides, no audio twice."""
    for place, axis in enumerate(AXES):
        sides = tables.axis(axis)["side"].to_numpy()
        inside = tables.clips[axis].between(0, len(sides) - 1)
        clips = tables.clips[inside]
        wanted = clips["split"].map({split: s[place] for split, s in SIDES_OF_SPLIT.items()})
        wrong = clips[wanted.to_numpy() != sides[clips[axis].to_numpy()]]
        yield from some(
            "leak", ((row.key, f"{axis} of the wrong side for {row.split}") for row in wrong.itertuples())
        )
        train = set(clips[axis][clips["split"].isin(["train", "validation"])])
        unseen = set(clips[axis][clips["split"].isin([f"test_unseen_{axis}", "test_unseen_all"])])
        both = sorted(train & unseen)
        yield from some("leak", ((f"{axis} {i}", "called unseen, but occurs in train") for i in both))
        spread = tables.axis(axis).groupby("cluster")["side"].nunique()
        yield from some(
            "leak", ((f"{axis} cluster {c}", "stands on two sides") for c in spread.index[spread > 1])
        )
    # A substitute may play a cell that another block holds too.
    own = tables.clips[tables.clips["substitutes"].isna()]
    twice = own["key"][own["pcm_sha256"].duplicated()]
    yield from some("leak", ((key, "has the same audio as another clip") for key in twice))
