"""Adds a generation's envelopes and phrases to the present ones (`casting.cast` adds timbres).

A dataset grows by a config that asks for more: timbres of a synth, another synth, envelopes, another family,
or phrases. Present rows stay. The added rows are a function of the present rows and the config.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from manifests.dataset.canonical import differences
from manifests.dataset.rows import envelope_of, notes_of
from manifests.splits.clusters import envelope_clusters
from manifests.splits.splits import grow_sides
from manifests.types import Envelope, InputError, Notes
from midi.extract import SourcedPhrase
from midi.generate import Observability, generate_phrases
from midi.table import label_generated, phrase_rows
from render.config import Config
from render.planning.envelopes import draw_envelope
from render.planning.fingerprint import audible

Rows = list[dict[str, Any]]

ATTEMPTS = 100
"""Redraws of one id before its config counts as too narrow."""


def check_growth(before: Config, after: Config) -> None:
    """Raises InputError unless `after` is `before` with more timbres, envelopes or phrases only."""
    was, now = audible(before), audible(after)
    synths = {timbres["synth"]: timbres for timbres in now["timbres"]}
    grown: list[tuple[str, Any, Any]] = [
        (f"timbres.{old['synth']}", old, synths.get(old["synth"])) for old in was["timbres"]
    ]
    families = now["envelopes"]
    grown += [(f"envelopes.{name}", old, families.get(name)) for name, old in was["envelopes"].items()]
    grown += [(f"phrases.{kind}", old, now["phrases"][kind]) for kind, old in was["phrases"].items() if old]
    lines = []
    for name, old, new in grown:
        if new is None:
            lines.append(f"{name}: is missing")
        elif new["count"] < old["count"]:
            lines.append(f"{name}.count: {new['count']}, fewer than the {old['count']} there are")
        else:
            lines += differences({**new, "count": old["count"]}, old, name)
    kept = {key: value for key, value in was.items() if key not in ("timbres", "envelopes", "phrases")}
    lines += differences({key: now[key] for key in kept}, kept)
    order = [timbres["synth"] for timbres in now["timbres"]]
    if not lines and order[: len(was["timbres"])] != [timbres["synth"] for timbres in was["timbres"]]:
        lines.append(f"timbres: the synths so far come first, in their order; got {order}")
    if lines:
        raise InputError(
            "a dataset grows by more timbres, envelopes or phrases and nothing else; this config differs"
            f" (asked for != there) in {'; '.join(lines[:5])}{' …' if len(lines) > 5 else ''}"
        )
    if after.labels == "measured" and _envelopes(after) > _envelopes(before):
        raise InputError(
            "envelopes: labels are measured, and those of the timbres so far are; add timbres or phrases only"
        )
    for axis, counts in (("timbres", _timbres), ("envelopes", _envelopes), ("phrases", _phrases)):
        added = counts(after) - counts(before)
        if added == 1:
            raise InputError(f"{axis}: one is added; partners need at least two new ones, or none")


def _timbres(config: Config) -> int:
    return sum(timbres.count for timbres in config.timbres)


def _envelopes(config: Config) -> int:
    return sum(family.count for family in config.envelopes.values())


def _phrases(config: Config) -> int:
    kinds = (config.phrases.generated, config.phrases.midi)
    return sum(kind.count for kind in kinds if kind is not None)


def more_envelopes(config: Config, rows: Rows, generation: int) -> Rows:
    """Returns the rows of envelopes.parquet, followed by the additional ones that the config asks for.

    Raises InputError if no additional envelope fits a side.
    """
    there = {name: sum(row["family"] == name for row in rows) for name in config.envelopes}
    families = sorted(config.envelopes.items())
    slots = [(name, index) for name, family in families for index in range(there[name], family.count)]
    if not slots:
        return rows
    attempts = [0] * len(slots)
    old = [envelope_of(row) for row in rows]

    def drawn() -> list[Envelope]:
        return [
            draw_envelope(config.seed, name, index, config.envelopes[name], attempt)
            for (name, index), attempt in zip(slots, attempts, strict=True)
        ]

    def sides() -> tuple[list[int], list[str]]:
        clusters = envelope_clusters(old + drawn())
        return clusters, _sides(config, rows, clusters, "envelope", generation)

    def again(place: int) -> None:
        attempts[place] += 1

    clusters, added = _settled(sides, again, "envelopes")
    fresh: Rows = [
        {"envelope": len(rows) + place, "family": name, **envelope.values(), "generation": generation}
        for place, ((name, _), envelope) in enumerate(zip(slots, drawn(), strict=True))
    ]
    return _with_sides(rows, fresh, clusters, added)


def more_phrases(
    config: Config,
    rows: Rows,
    generation: int,
    fits: Callable[[Notes], bool],
    from_midi: Callable[[], list[SourcedPhrase]],
) -> Rows:
    """Returns the rows of phrases.parquet, followed by the additional ones that the config asks for.

    `from_midi` returns all phrases of the config's MIDI folder. Present phrases, and phrases for which `fits`
    is False, are skipped. Raises InputError if too few phrases are left or none fits a side.
    """
    old = [
        SourcedPhrase(notes_of(row), row["source"], row["source_sha256"], row["transposed"]) for row in rows
    ]
    composed = [phrase.notes for phrase in old if not phrase.source_sha256]
    fresh: list[SourcedPhrase] = []
    if (wanted := config.phrases.generated) is not None and wanted.count > len(composed):
        observe = Observability(config.longest_settle_ms(), config.longest_release_ms())
        made = generate_phrases(
            config.seed, wanted.count, wanted.generate, config.clip.seconds, observe, None, composed, fits
        )
        fresh += label_generated(made)[len(composed) :]
    cut = 0
    extracted: list[SourcedPhrase] = []
    if config.phrases.midi is not None:
        cut = config.phrases.midi.count - (len(old) - len(composed))
        taken = {phrase.source for phrase in old}
        extracted = [p for p in from_midi() if p.source not in taken and fits(p.notes)] if cut else []
    first = len(fresh)

    def chosen() -> list[SourcedPhrase]:
        if len(extracted) < cut:
            raise InputError(
                f"phrases.midi: {len(extracted)} phrases left in the folder that fit, {cut} more configured;"
                " add files, or lower the count"
            )
        return fresh + extracted[:cut]

    def sides() -> tuple[list[int], list[str]]:
        clusters = [row["cluster"] for row in phrase_rows(old + chosen())]
        return clusters, _sides(config, rows, clusters, "phrase", generation)

    def again(place: int) -> None:
        if place < first:
            raise InputError(
                "phrases.generated: a new phrase fits no side among the MIDI phrases; add another"
            )
        del extracted[place - first]

    if not fresh and not cut:
        return rows
    clusters, added = _settled(sides, again, "phrases")
    made_rows = [{**row, "generation": generation} for row in phrase_rows(old + chosen())[len(old) :]]
    return _with_sides(rows, made_rows, clusters, added)


def _sides(config: Config, rows: Rows, clusters: list[int], axis: str, generation: int) -> list[str]:
    share = config.splits.test_envelopes if axis == "envelope" else config.splits.test_phrases
    sides = [row["side"] for row in rows]
    fixed = [None] * (len(clusters) - len(rows))
    return grow_sides(clusters, sides, fixed, share, config.seed, axis, generation)


def _settled(
    sides: Callable[[], tuple[list[int], list[str]]], again: Callable[[int], None], what: str
) -> tuple[list[int], list[str]]:
    """Redraws new ids until each has a side; returns all clusters and the new ids' sides."""
    for _ in range(ATTEMPTS):
        clusters, added = sides()
        if all(added):
            return clusters, added
        for place in reversed([place for place, side in enumerate(added) if not side]):
            again(place)
    raise InputError(f"{what}: no new ones found that fit one side; add more at once, or other ones")


def _with_sides(rows: Rows, fresh: Rows, clusters: list[int], added: list[str]) -> Rows:
    sides = [row["side"] for row in rows] + added
    return [
        {**row, "cluster": cluster, "side": side}
        for row, cluster, side in zip(rows + fresh, clusters, sides, strict=True)
    ]
