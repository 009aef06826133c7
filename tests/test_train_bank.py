"""Composing from a tone bank: the vectors in torch, the rendered clips, one stream on whatever device."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from manifests import compose
from manifests.bank import Bank
from manifests.canonical import sha256_json
from manifests.clusters import envelope_clusters
from manifests.storage import location
from manifests.vocabulary import SPLITS, BadInput, Envelope, Note
from tests import rendered, scalar_compose
from tests.s3_server import S3Server
from tests.test_train_fit import SETTINGS
from train.bank.alter import Recipe, draw_recipe
from train.bank.clips import clip_format
from train.bank.compose import ClipFormat, compose_block
from train.bank.gain import gain_rows, gain_whole
from train.bank.source import BankSource
from train.bank.tones import Tones
from train.checkpoint import read_weights
from train.config import parse_config
from train.data.blocks import read_clips
from train.data.examples import EXAMPLE_KINDS, Example
from train.data.loader import Loader
from train.data.shards import Shards
from train.data.tables import Tables
from train.fit import Report, fit
from train.judge import Judge
from train.notes import envelope_batch, note_batch
from train.systems import build
from train.systems.base import Format

CPU = torch.device("cpu")
CASES = json.loads(scalar_compose.VECTORS.read_text())
BELOW_60_DB = 1e-3
ROLES = ("target", "content", "timbre", "envelope")


@pytest.fixture(scope="module")
def bank(banked: Path) -> Bank:
    return Bank(banked / "tones")


def gains(
    notes: tuple[Note, ...], envelopes: list[Envelope], format: ClipFormat
) -> tuple[np.ndarray, np.ndarray]:
    """The gain of a phrase under some envelopes, [E, F], both ways."""
    where = compose.spans(notes, format.rate, format.frames)
    rows = np.full((len(envelopes), format.frames), np.nan, dtype=np.float32)
    gain_rows(notes, where, envelopes, format, rows)
    batch, at = note_batch([notes], format.rate, format.frames), torch.arange(float(format.frames))
    index = torch.searchsorted(batch.onset_BN, at[None].contiguous(), right=True) - 1
    whole = gain_whole(batch, envelope_batch(envelopes), index.clamp(min=0), at, format)[0]
    whole[:, : where[0].onset] = 0.0
    return rows, whole.numpy()


@pytest.mark.parametrize("case", CASES)
def test_the_stored_vectors_pass_in_torch(case: dict) -> None:
    notes = tuple(Note(on, duration, int(p), int(v)) for on, duration, p, v in case["notes"])
    format = ClipFormat(case["rate"], case["frames"], 29204, case["cut_fade_ms"])
    other = Envelope(3.0, 20.0, 0.2, 50.0, 0.0, "exponential")
    for envelopes in ([Envelope(**case["envelope"])], [other, Envelope(**case["envelope"])]):
        for made in gains(notes, envelopes, format):
            np.testing.assert_allclose(made[-1], case["gain"], atol=2e-6)


@pytest.mark.parametrize(
    "envelope",
    [
        Envelope(0.0, 0.0, 0.5, 0.0),
        Envelope(0.0, 50.0, 0.0, 10.0, 20.0),
        Envelope(500.0, 10.0, 1.0, 2000.0, 0.0, "exponential"),
        Envelope(0.01, 0.01, 0.3, 0.01),
    ],
)
def test_gains_at_the_edges_of_what_envelopes_may_be(envelope: Envelope) -> None:
    notes = (
        Note(0.1, 0.013, 60, 127), Note(0.2, 0.3, 62, 40), Note(0.5, 0.000001, 61, 1),
        Note(0.5006, 0.2, 60, 90), Note(0.95, 0.05, 60, 90),
    )  # fmt: skip
    format = ClipFormat(44_100, 44_100, 29204, 5.0)
    expected = compose.gain(notes, envelope, 44_100, 44_100, 5.0)
    for made in gains(notes, [envelope], format):
        np.testing.assert_allclose(made[0], expected, atol=2e-5)


def test_clips_of_the_bank_are_the_rendered_clips(banked: Path, bank: Bank) -> None:
    layout = Tables.open(banked).layout
    keys = [key for split in SPLITS for key in layout.read_clips(split).column("key").to_pylist()[::5]]
    theirs, ours = (read_clips(where, keys) for where in (layout, bank))
    for key in keys:
        assert ours[key].dtype == np.int16
        assert np.abs(ours[key].astype(int) - theirs[key]).max() <= 2, "60 dB below the peak would be 29"


def test_both_ways_of_composing_agree(bank: Bank) -> None:
    tables, format = Tables.open(bank.root), clip_format(bank)
    tones = Tones.load(bank, tables.train_timbres, CPU)
    block = (tones, tables.train_timbres[:2], tables.phrases[:3], tables.envelopes[1:5], format)
    rows, whole = (compose_block(*block, whole=way) for way in (False, True))
    assert rows.pcm_TPEF.shape == (2, 3, 4, format.frames)
    assert (rows.pcm_TPEF.int() - whole.pcm_TPEF.int()).abs().max() <= 2
    torch.testing.assert_close(rows.gain_TPE, whole.gain_TPE, rtol=1e-5, atol=0)
    assert rows.pcm_TPEF.int().abs().amax(-1).eq(format.peak).all()


def sines(every: int, seconds: float) -> Tones:
    """Tones of pure sines, phase 0, with a loop of their last second."""
    pitches = tuple(range(57, 70, every))
    rate = 44_100
    time_s = np.arange(int(seconds * rate)) / rate
    pcm = [np.sin(2 * np.pi * 440.0 * 2 ** ((pitch - 69) / 12) * time_s) for pitch in pitches]
    count, frames = len(pitches), len(time_s)
    start = torch.arange(count)[None] * frames
    ends = torch.full((1, count), frames)
    return Tones(
        torch.from_numpy(np.rint(np.concatenate(pcm) * 32767).astype(np.int16)),
        start, ends - rate // 2, ends, torch.full((1, count), 1 / 32767), {0: 0}, pitches, frames,
    )  # fmt: skip


@pytest.mark.parametrize("whole", [False, True])
def test_pitches_between_tones_are_read_by_a_windowed_sinc(whole: bool) -> None:
    tones = sines(3, 2.0)
    notes = tuple(Note(0.2 * n, 0.2, pitch, 127) for n, pitch in enumerate((57, 58, 59, 65, 68)))
    format = ClipFormat(44_100, 44_100, 32767, 3.0)
    made = compose_block(tones, [0], [notes], [Envelope(0.0, 0.0, 1.0, 0.0)], format, whole=whole)
    sound = made.pcm_TPEF[0, 0, 0].numpy() / 32767
    for n, note in enumerate(notes):
        part = sound[8820 * n + 40 : 8820 * (n + 1) - 140]
        hz = 440.0 * 2 ** ((note.pitch - 69) / 12)
        expected = np.sin(2 * np.pi * hz * (np.arange(len(part)) + 40) / 44_100)
        assert np.abs(part - expected).max() < BELOW_60_DB
    with pytest.raises(BadInput, match="pitch 73: the bank's tones are 57"):
        compose_block(tones, [0], [(Note(0.0, 0.2, 73, 100),)], [Envelope(0.0, 0.0, 1.0, 0.0)], format)


@pytest.mark.parametrize("whole", [False, True])
def test_a_note_longer_than_its_tone_goes_round_the_loop(whole: bool) -> None:
    tones = sines(12, 1.0)  # 220 and 440 Hz: the loop of half a second is whole periods
    notes = (Note(0.0, 2.4, 69, 127), Note(2.4, 0.5, 57, 127))
    format = ClipFormat(44_100, 3 * 44_100, 32767, 3.0)
    made = compose_block(tones, [0], [notes], [Envelope(0.0, 0.0, 1.0, 0.0)], format, whole=whole)
    sound = made.pcm_TPEF[0, 0, 0, : int(2.39 * 44_100)].numpy() / 32767
    expected = np.sin(2 * np.pi * 440.0 * np.arange(len(sound)) / 44_100)
    assert np.abs(sound - expected).max() < BELOW_60_DB


def taken(
    bank: Bank,
    count: int,
    seed: int = 3,
    start: int = 0,
    threads: int = 1,
    rank: int = 0,
    world: int = 1,
    fresh: float = 1.0,
    altered: float = 0.0,
) -> list[Example]:
    source = BankSource(
        Tables.open(bank.root), seed, pool_blocks=3, threads=threads, fresh=fresh, altered=altered
    )
    with Loader(source, EXAMPLE_KINDS, seed, 3, threads, rank, world) as loader:
        return list(islice(loader.examples(start), count))


def same(ours: Example, theirs: Example) -> bool:
    pairs = [(getattr(ours, role), getattr(theirs, role)) for role in ROLES]
    return (ours.kind, ours.seed) == (theirs.kind, theirs.seed) and all(
        (a.id, a.notes, a.envelope, a.gain) == (b.id, b.notes, b.envelope, b.gain)
        and np.array_equal(a.audio, b.audio)
        for a, b in pairs
    )


def test_the_stream_is_the_same_with_threads_and_from_any_place(bank: Bank) -> None:
    examples = taken(bank, 40)
    assert all(same(a, b) for a, b in zip(examples, taken(bank, 40, threads=3), strict=True))
    for start in (7, 24, 29):
        later = taken(bank, 9, start=start)
        assert all(same(a, b) for a, b in zip(examples[start:], later, strict=False))
    for rank in range(3):
        mine = taken(bank, 13, rank=rank, world=3)
        assert all(same(a, b) for a, b in zip(examples[rank::3], mine, strict=False))
        assert len({e.target.id.block for e in mine}) == 2
    assert not any(same(a, b) for a, b in zip(examples, taken(bank, 40, seed=4), strict=True))


def test_partners_share_what_their_kind_says_and_nothing_unseen_is_used(bank: Bank) -> None:
    tables = Tables.open(bank.root)
    axes = ("timbre", "phrase", "envelope")
    sides = {axis: bank.read(f"{axis}s").column("side").to_pylist() for axis in axes}
    tests = [e for e, side in zip(tables.envelopes, sides["envelope"], strict=True) if side != "train"]
    fresh = {"phrase": 0, "envelope": 0}
    for example in taken(bank, 96, fresh=0.6):
        target = example.target.id
        assert example.content.id.phrase == target.phrase
        assert example.timbre.id.timbre == target.timbre
        assert example.envelope.id.envelope == target.envelope
        assert example.content.notes[0].onset == example.target.notes[0].onset
        assert sides["timbre"][target.timbre] == "train"
        for axis in ("phrase", "envelope"):
            id = getattr(target, axis)
            fresh[axis] += id >= len(sides[axis])
            assert id >= len(sides[axis]) or sides[axis][id] == "train"
        clusters = envelope_clusters([*tests, example.target.envelope])
        assert clusters[-1] not in clusters[:-1]
    assert 20 < fresh["phrase"] < 90
    assert 20 < fresh["envelope"] < 90
    assert all(e.target.id.phrase < len(sides["phrase"]) for e in taken(bank, 24, fresh=0.0))


def test_losses_from_the_bank_are_those_from_rendered_clips(banked: Path, bank: Bank) -> None:
    """The same cells, composed or rendered: the same losses, far inside what seeds make of them."""
    config = parse_config({**SETTINGS, "batch": 4}, "test")
    tables = Tables.open(banked)
    with Loader(Shards(tables), EXAMPLE_KINDS, 3, 2) as loader:
        examples = list(islice(loader, 8))
    keys = [getattr(e, role).id.key for e in examples for role in ROLES]
    composed = read_clips(bank, keys)

    def recomposed(example: Example) -> Example:
        return replace(
            example,
            **{
                role: replace(clip, audio=composed[clip.id.key])
                for role in ROLES
                for clip in [getattr(example, role)]
            },
        )

    system = build(config.system, config.model, Format(tables.rate, tables.cut_fade_ms, ("a",)), 3)
    found = []
    for source in (examples, [recomposed(example) for example in examples]):
        batch = system.collate(source, {0: 0})
        with torch.no_grad():
            turns = list(system.turns(batch, 0.0))
        found.append({name: float(value) for turn in turns for name, value in turn.losses.items()})
    assert found[0].keys() == found[1].keys()
    for name, value in found[0].items():
        assert found[1][name] == pytest.approx(value, rel=2e-3, abs=1e-5), name


def test_fit_takes_a_bank_and_goes_on_bit_for_bit(bank: Bank, tmp_path: Path) -> None:
    config = parse_config({**SETTINGS, "steps": 3, "save_every": 2, "judge_pairs": 0}, "test")
    losses: list[dict[str, float]] = []
    outcome = fit(
        config, bank.root, tmp_path / "whole", Report(on_step=lambda step, found, speed: losses.append(found))
    )
    assert (outcome.step, outcome.interrupted) == (3, False)
    assert all(np.isfinite(list(row.values())).all() for row in losses)

    class Stop(Exception):
        pass

    def stop(step: int, found: dict[str, float], speed: float) -> None:
        if step == 3:
            raise Stop

    with pytest.raises(Stop):
        fit(config, bank.root, tmp_path / "run", Report(on_step=stop))
    fit(config, bank.root, tmp_path / "run")
    ours, theirs = (read_weights(tmp_path / name / "last.safetensors")[0] for name in ("run", "whole"))
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_the_judge_hears_the_same_from_a_bank(banked: Path, bank: Bank) -> None:
    ours, theirs = (Judge(Tables.open(root), 2, 1) for root in (bank.root, banked))
    for a, b in zip(ours.trials, theirs.trials, strict=True):
        assert a.pair == b.pair
        for x, y in ((a.source, b.source), (a.reference, b.reference), (a.target, b.target)):
            assert np.abs(x - y).max() < BELOW_60_DB


def test_a_bank_that_does_not_fit_is_refused_by_name(bank: Bank, tmp_path: Path) -> None:
    copy = tmp_path / "bank"
    shutil.copytree(bank.root, copy, ignore=shutil.ignore_patterns(".work"))
    config = parse_config(SETTINGS, "test")

    def refused() -> str:
        with pytest.raises(BadInput) as found:
            fit(config, copy, tmp_path / "run")
        assert not (tmp_path / "run").exists()
        return str(found.value)

    (copy / "shard-000000.tar").rename(copy / "away")
    assert "shard-000000.tar: shard is missing" in refused()
    (copy / "away").rename(copy / "shard-000000.tar")
    text = (copy / "bank.json").read_text()
    other = json.loads(text)
    other["fingerprint_of"]["rate"] = 48_000
    other["fingerprint"] = sha256_json(other["fingerprint_of"])
    (copy / "bank.json").write_text(json.dumps(other))
    assert "shard-000000.parquet: belongs to another bank" in refused()
    (copy / "bank.json").write_text(text.replace('"schema": "1.', '"schema": "2.'))
    assert "bank.json: schema version 2.0, this program reads 1.0" in refused()
    (copy / "bank.json").write_text(text.replace('"rate": 44100', '"rate": 22050'))
    assert "bank.json: `fingerprint` is not the hash of `fingerprint_of`: it was edited" in refused()


@pytest.mark.xdist_group("s3")
def test_a_bank_in_a_store_is_the_bank_of_the_folder(
    banked: Path, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3fs = pytest.importorskip("s3fs")
    server = S3Server()
    server.start()
    s3fs.S3FileSystem.clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    files = s3fs.S3FileSystem(skip_instance_cache=True)
    files.mkdir("tone-banks")
    url = "s3://tone-banks/one"
    rendered.succeed("render", "tones", banked, "--out", url)
    for path in bank.root.iterdir():
        if path.is_file():
            assert files.cat_file(f"tone-banks/one/{path.name}") == path.read_bytes(), path.name
    assert "no defect found" in rendered.succeed("manifests", "audit", url, "--hash")
    there = Bank(location(url))
    examples = [
        list(islice(Loader(BankSource(Tables.open(root), 3, 3, 1), EXAMPLE_KINDS, 3, 3, 1), 6))
        for root in (there.root, bank.root)
    ]
    assert all(same(a, b) for a, b in zip(*examples, strict=True))
    files.rm_file("tone-banks/one/shard-000000.tar")
    with pytest.raises(BadInput, match=r"s3://tone-banks/one/shard-000000\.tar: shard is missing"):
        Tables.open(there.root).blocks("train")
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_altered_timbres_are_still_gain_times_dry_in_both_ways(bank: Bank) -> None:
    tables, format = Tables.open(bank.root), clip_format(bank)
    tones = Tones.load(bank, tables.train_timbres, CPU)
    first, second = tables.train_timbres[:2]
    bands = (6.0, -6.0, 3.0, 0.0, -9.0, 9.0, 0.0, 5.0, -5.0)
    everything = Recipe(second, 0.4, (-8.0, 8.0), bands, 12.0, -30.0, 7, 1, 3)
    block = (tones, [first, second], tables.phrases[:2], tables.envelopes[:2], format)
    plain = compose_block(*block)
    rows, whole = (compose_block(*block, whole=way, recipes=[everything, None]) for way in (False, True))
    assert (rows.pcm_TPEF.int() - whole.pcm_TPEF.int()).abs().max() <= 4
    assert torch.equal(rows.pcm_TPEF[1], plain.pcm_TPEF[1])
    assert (rows.pcm_TPEF[0].int() - plain.pcm_TPEF[0].int()).abs().max() > 1000
    for p, notes in enumerate(tables.phrases[:2]):
        dry = []
        for e, envelope in enumerate(tables.envelopes[:2]):
            gain = compose.gain(notes, envelope, format.rate, format.frames, format.cut_fade_ms)
            sound = rows.pcm_TPEF[0, p, e].numpy() / 32767 / float(rows.gain_TPE[0, p, e])
            dry.append(np.where(gain > 0.1, sound / np.maximum(gain, 0.1), np.nan))
        both = ~np.isnan(dry[0]) & ~np.isnan(dry[1])
        assert both.sum() > 10_000
        assert np.abs(dry[0][both] - dry[1][both]).max() < 2e-3 * np.abs(dry[0][both]).max()


def hertz(sound: np.ndarray) -> float:
    """The frequency of the strongest partial."""
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), 1 << 18))
    return float(power.argmax()) * 44_100 / (1 << 18)


@pytest.mark.parametrize("whole", [False, True])
def test_octaves_and_formants_are_read_from_other_tones(whole: bool) -> None:
    rate, pitches = 44_100, range(57, 70)
    time_s = np.arange(2 * rate) / rate
    # A buzz that all pitches have the same resonance of, at 2 kHz.
    waves = []
    for pitch in pitches:
        partials = np.arange(1, 20) * 440.0 * 2 ** ((pitch - 69) / 12)
        level = 1.0 / (1.0 + ((partials - 2000.0) / 200.0) ** 2)
        waves.append((level[:, None] * np.sin(2 * np.pi * partials[:, None] * time_s)).sum(0) / 2.0)
    buzz = replace(sines(1, 2.0), pcm_S=torch.from_numpy(np.rint(np.concatenate(waves) * 32767).astype("i2")))
    plain = Recipe(None, 0.0, (), (), None, None, 0)
    format, flat = ClipFormat(rate, rate, 32767, 3.0), [Envelope(0.0, 0.0, 1.0, 0.0)]

    def made(tones: Tones, pitch: int, recipe: Recipe) -> np.ndarray:
        notes = (Note(0.0, 1.0, pitch, 127),)
        clips = compose_block(tones, [0], [notes], flat, format, whole=whole, recipes=[recipe])
        return clips.pcm_TPEF[0, 0, 0].numpy() / 32767

    pure = sines(1, 2.0)
    assert hertz(made(pure, 69, replace(plain, octave=1))) == pytest.approx(880.0, abs=0.5)
    assert hertz(made(pure, 69, replace(plain, octave=-1))) == pytest.approx(220.0, abs=0.5)
    assert hertz(made(pure, 62, replace(plain, formant=5))) == pytest.approx(293.66, abs=0.5)
    for formant in (-5, 3, 5):
        moved = hertz(made(buzz, 62, replace(plain, formant=formant)))
        assert moved == pytest.approx(2000.0 * 2 ** (formant / 12), abs=150.0)
        assert moved / 293.66 == pytest.approx(round(moved / 293.66), abs=0.01), "the pitch stays"


def test_recipes_cover_what_they_say_and_octaves_stay_near() -> None:
    recipes = [draw_recipe(np.random.default_rng(i), (7,), i, i % 3 - 1) for i in range(600)]
    assert {len(recipe.cents) for recipe in recipes} == {0, 1, 2, 3, 4, 5, 6}
    assert {recipe.formant for recipe in recipes} == {-5, -3, 0, 3, 5}
    for i, recipe in enumerate(recipes):
        assert abs(i % 3 - 1 + recipe.octave) <= 1
        assert (len(recipe.cents) > 0) + (recipe.formant != 0) + (recipe.octave != 0) <= 1
        assert recipe != replace(recipes[0], key=recipe.key) or i == 0
    noises = [recipe.noise_db for recipe in recipes if recipe.noise_db is not None]
    assert -60.0 <= min(noises) < -58.0 < -22.0 < max(noises) <= -20.0


def test_altered_timbres_have_ids_of_their_own_and_come_again(bank: Bank) -> None:
    examples = taken(bank, 24, altered=0.5)
    ids = [example.target.id.timbre for example in examples]
    assert 0 < sum(id >= 6 for id in ids) < len(ids)
    assert all(same(a, b) for a, b in zip(examples, taken(bank, 24, altered=0.5, threads=2), strict=True))
    for example in examples:
        assert example.timbre.id.timbre == example.target.id.timbre


def test_a_batch_of_tensors_is_that_of_arrays(bank: Bank) -> None:
    """On a GPU the audio of examples stays there: the codec collates it as it does arrays."""
    config = parse_config(SETTINGS, "test")
    system = build(config.system, config.model, Format(44_100, 3.0, ("a",)), 3)
    arrays = taken(bank, 3)
    tensors = [
        replace(
            example,
            **{
                role: replace(clip, audio=torch.from_numpy(clip.audio))
                for role in ROLES
                for clip in [getattr(example, role)]
            },
        )
        for example in arrays
    ]
    assert system.on_device
    ours, theirs = (system.collate(examples, {0: 0}) for examples in (tensors, arrays))
    assert torch.equal(ours.audio_BT, theirs.audio_BT)
    assert torch.equal(ours.piece_RT, theirs.piece_RT)
