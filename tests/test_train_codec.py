"""The codec's parts: what must not depend on length or batch, and that conversion follows its inputs."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from manifests import compose
from manifests.layout import Layout
from manifests.register import median_pitch
from manifests.seeds import stream
from manifests.vocabulary import BadInput, Envelope, Note
from tests.train_codec import SIZES
from tests.train_data import CUT_FADE_MS, make_dataset, make_envelope, make_phrase, make_tone
from train.config import load_config, parse_config
from train.conversion import Codec
from train.data.loader import Loader
from train.data.shards import Shards
from train.data.tables import Tables
from train.notes import envelope_batch, note_batch
from train.systems import build
from train.systems.base import Format
from train.systems.triptych import converting, hearing, listening, playing
from train.systems.triptych.augment import BANDS, equalise, in_rooms, level_change
from train.systems.triptych.encoder import NoteLogits
from train.systems.triptych.envelope_head import from_units, to_units
from train.systems.triptych.features import HOP, features
from train.systems.triptych.fitting import fit_envelopes
from train.systems.triptych.hearing import Passage, loudness
from train.systems.triptych.melody import likeliest
from train.systems.triptych.note_head import STEP, event_targets, note_losses, read_notes, subframe_places
from train.systems.triptych.playing import play
from train.systems.triptych.system import Triptych
from train.systems.triptych.timbre import TONE_RMS, Profile, measure, open_frames
from train.systems.triptych.voices import unexplained

RATE = 44_100
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("data") / "set", train=(4, 2, 4), seconds=0.5)


def clip(
    index: int, seconds: float = 2.0, timbre: int = 0, shift: int = 0
) -> tuple[np.ndarray, tuple[Note, ...], Envelope]:
    """A composed clip of full scale 1, its notes and its envelope."""
    frames = round(seconds * RATE)
    notes, envelope = make_phrase(11, index, seconds), make_envelope(11, index)[1]
    notes = tuple(Note(n.onset, n.duration, n.pitch + shift, n.velocity) for n in notes)
    tones = {n.pitch: make_tone(11, timbre, n.pitch, frames, RATE) for n in notes}
    sound = compose.gain(notes, envelope, RATE, frames, CUT_FADE_MS) * compose.dry(notes, tones, RATE, frames)
    pcm, _ = compose.to_int16(sound, compose.peak_value(-1.0))
    return np.asarray(pcm / np.float32(32767.0), dtype=np.float32), notes, envelope


@pytest.fixture(scope="module")
def system() -> Triptych:
    config = parse_config(
        {"steps": 1, "model": {**SIZES, "harmonics": 64, "halves": 16, "noise_bands": 24}}, "test"
    )
    return build("triptych", config.model, Format(RATE, CUT_FADE_MS, ("one", "two")), seed=4).eval()


@pytest.fixture(scope="module")
def codec(system: Triptych) -> Codec:
    return Codec(system, "test")


def passage(audio: np.ndarray, notes: tuple[Note, ...]) -> Passage:
    return Passage(features(torch.from_numpy(audio)[None], RATE), note_batch([notes], RATE, len(audio)), 1.0)


@torch.no_grad()
def test_timbre_vector_does_not_depend_on_place_in_the_batch(system: Triptych) -> None:
    clips = [clip(index, timbre=index) for index in range(4)]

    def vectors(order: list[int]) -> torch.Tensor:
        audio = torch.from_numpy(np.stack([clips[i][0] for i in order]))
        seen = features(audio, RATE)
        notes = note_batch([clips[i][1] for i in order], RATE, audio.shape[1])
        envelope = envelope_batch([clips[i][2] for i in order])
        opened = open_frames(seen, notes, envelope, RATE, CUT_FADE_MS)
        return system.timbre_encoder.views(opened, notes, RATE).whole_BKD

    whole = vectors([0, 1, 2, 3])
    torch.testing.assert_close(vectors([3, 1, 0, 2]), whole[[3, 1, 0, 2]], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(vectors([2]), whole[[2]], atol=1e-5, rtol=1e-5)
    assert (whole[0] - whole[1]).abs().max() > 1e-3


@torch.no_grad()
def test_profile_measures_the_levels_of_harmonics(system: Triptych) -> None:
    frames, levels = 2 * RATE, [0.1, 0.05, 0.0, 0.02]
    notes = (Note(0.0, 0.8, 60, 100), Note(1.0, 0.9, 55, 60))
    time = np.arange(frames) / RATE
    dry = np.zeros(frames)
    for note, span in zip(notes, compose.spans(notes, RATE, frames), strict=True):
        f0 = 440.0 * 2.0 ** ((note.pitch - 69) / 12.0)
        tone = sum(a * np.sin(2 * np.pi * (k + 1) * f0 * time + k) for k, a in enumerate(levels))
        dry[span.onset : span.end] = tone[: span.end - span.onset]
    envelope = Envelope(20.0, 100.0, 0.5, 80.0)
    sound = (compose.gain(notes, envelope, RATE, frames, CUT_FADE_MS) * dry).astype(np.float32)
    tone_rms = np.sqrt(np.sum(np.square(levels)) / 2.0)
    seen = features(torch.from_numpy(sound)[None], RATE)
    batch = note_batch([notes], RATE, frames)
    opened = open_frames(seen, batch, envelope_batch([envelope]), RATE, CUT_FADE_MS)
    profile = measure(opened, batch, system.config, RATE)
    measured = profile.harmonic_BNK[0, :, :4].exp().numpy() * tone_rms / 0.1
    np.testing.assert_allclose(measured[:, [0, 1, 3]], np.tile([0.1, 0.05, 0.02], (2, 1)), rtol=0.08)
    assert measured[:, 2].max() < 0.002
    assert float(profile.scale_B[0]) == pytest.approx(tone_rms, rel=0.05)


def test_a_second_voice_is_what_the_notes_do_not_explain() -> None:
    time = np.arange(RATE) / RATE
    notes = note_batch([(Note(0.0, 0.5, 60, 100), Note(0.5, 0.5, 64, 100))], RATE, RATE)

    def tone(pitch: float) -> np.ndarray:
        f0 = 440.0 * 2.0 ** ((pitch - 69) / 12.0)
        return np.asarray(sum(np.sin(2 * np.pi * k * f0 * time) / k for k in range(1, 9)), dtype=np.float32)

    line = np.where(time < 0.5, tone(60), tone(64)).astype(np.float32)
    for other, low, high in ((0.0, 0.0, 0.01), (1.0, 0.25, 0.55)):
        seen = features(torch.from_numpy(line + other * tone(66.5))[None], RATE)
        assert low <= unexplained(seen.long_BGC, notes, RATE) <= high
    short = note_batch([(Note(0.0, 0.05, 60, 100),)], RATE, RATE)
    assert unexplained(seen.long_BGC, short, RATE) == 0.0


@torch.no_grad()
def test_untrained_decoder_plays_the_profile_of_the_reference(system: Triptych) -> None:
    audio, notes, envelope = clip(3, timbre=2)
    timbre = converting.timbre_of(system, passage(audio, notes), envelope)
    profile = timbre.profile
    played = play(system, notes, envelope, timbre, len(audio))
    measured, _ = converting.timbre_of(system, passage(played, notes), envelope)
    strong = profile.harmonic_BNK[0] > profile.harmonic_BNK[0].amax() - 4.0
    difference = (measured.harmonic_BNK[0] - profile.harmonic_BNK[0])[strong]
    assert strong.sum() > 20
    assert difference.abs().median() < 0.25  # of a neper: 2 dB
    assert np.sqrt(np.mean(played**2)) == pytest.approx(np.sqrt(np.mean(audio**2)), rel=0.3)


@pytest.mark.parametrize("pitch", [40.0, 60.0, 84.0])
@torch.no_grad()
def test_every_decoded_tone_has_the_level_of_rendered_tones(system: Triptych, pitch: float) -> None:
    """Whatever was measured: rendered tones have an RMS of 0.1, so decoded ones have it too."""
    draws = torch.from_numpy(0.4 * stream(3, "levels", int(pitch)).normal(size=(6, 104))).float()
    harmonic = -3.0 - 0.7 * torch.arange(1.0, 65.0).log() + draws[:, :64]
    profile = Profile(
        harmonic[:, None], draws[:, None, 64:80] - 7.0, draws[:, None, 80:] - 9.0,
        torch.full((6, 1), 60.0), torch.zeros(6, 1), torch.ones(6), torch.ones(6),
    )  # fmt: skip
    vector = torch.zeros(6, 1, SIZES["timbre_dims"])
    tone = system.decoder(profile, vector, torch.arange(6), torch.full((6,), pitch), torch.zeros(6), 22_016)
    decibel = 20.0 * (tone.square().mean(1).sqrt() / TONE_RMS).log10()
    assert decibel.abs().max() < 1.0


def test_notes_that_could_be_in_two_octaves_are_read_in_one() -> None:
    """And a leap that is clearly heard stays."""
    melody, said = [40, 44, 42, 45, 43], np.full((5, 88), -9.0, dtype=np.float32)
    said[np.arange(5), melody] = np.log([0.45, 0.55, 0.45, 0.55, 0.45])
    said[np.arange(5), np.add(melody, 12)] = np.log([0.55, 0.45, 0.55, 0.45, 0.55])
    assert [int(row.argmax()) - pitch for row, pitch in zip(said, melody, strict=True)] == [12, 0, 12, 0, 12]
    assert likeliest(said) in (melody, [pitch + 12 for pitch in melody])
    leaping = [40, 64, 30, 30, 80]
    clear = np.full((5, 88), -5.0, dtype=np.float32)
    clear[np.arange(5), leaping] = -0.05
    assert likeliest(clear) == leaping
    assert likeliest(clear[:1]) == [40]


@torch.no_grad()
def test_perfect_logits_are_read_as_the_notes(system: Triptych) -> None:
    for index in range(6):
        audio, notes, _ = clip(index, 3.0)
        batch = note_batch([notes], RATE, len(audio))
        seen = features(torch.from_numpy(audio)[None], RATE)
        count = seen.mel_BFM.shape[1] * 4
        near_on, shift_on = event_targets(batch.onset_BN, batch.mask_BN, count)
        near_off, shift_off = event_targets(batch.off_BN, batch.mask_BN, count)
        pitch = torch.full((1, seen.long_BGC.shape[1], 88), -9.0)
        for note in notes:
            first, last = (round(s * RATE / 1024) for s in (note.onset, note.off))
            pitch[0, first : last + 1, note.pitch - 21] = 9.0
        logits = NoteLogits(
            near_on.logit(1e-4), shift_on, near_off.logit(1e-4), shift_off, torch.zeros(1, count // 4), pitch
        )
        read = read_notes(logits, 0, seen.level_BL[0], 64, RATE, len(audio))
        assert len(read) == len(notes)
        for (ours, sure), theirs in zip(read, notes, strict=True):
            assert sure > 0.85
            assert ours.pitch == theirs.pitch
            assert ours.onset == pytest.approx(theirs.onset, abs=0.0011)
            assert ours.off == pytest.approx(theirs.off, abs=0.0035)
        losses = note_losses(logits, batch)
        assert float(losses["onset_shift"]) < 1e-3
        assert float(losses["pitch"]) < 0.2
    assert float(subframe_places(8, torch.device("cpu"))[4:].mean()) == HOP
    assert STEP == 128


def test_a_recording_that_is_cut_off_does_not_end_with_a_note() -> None:
    """What stops looks like an event; in the last 30 ms none is taken for an onset."""
    count = 4 * (RATE // HOP + 1)
    for last_s, expected in ((0.9, 2), (0.985, 1)):
        onsets = torch.tensor([[0.1, last_s]]) * RATE
        near, shift = event_targets(onsets, torch.ones(1, 2, dtype=torch.bool), count)
        quiet = torch.full((1, count), -9.0)
        pitch = torch.zeros(1, RATE // 1024 + 1, 88)
        logits = NoteLogits(near.logit(1e-4), shift, quiet, torch.zeros(1, count), quiet[:, ::4], pitch)
        assert len(read_notes(logits, 0, torch.ones(RATE // 64 + 1), 64, RATE, RATE)) == expected


def test_envelopes_survive_the_heads_units() -> None:
    envelopes = [make_envelope(2, index)[1] for index in range(8)] + [Envelope(0.0, 0.0, 0.0, 0.0)]
    back = from_units(to_units(envelope_batch(envelopes)))
    for index, envelope in enumerate(envelopes):
        ours = hearing.to_envelope(type(back)(*(value[index] for value in back)))
        for name in ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms"):
            assert getattr(ours, name) == pytest.approx(getattr(envelope, name), rel=1e-3, abs=1e-3)


@torch.no_grad()
def test_loudness_of_notes_is_their_velocity() -> None:
    audio, notes, envelope = clip(1, 3.0, timbre=4)
    seen = features(torch.from_numpy(audio)[None], RATE)
    found = loudness(seen.level_BL[0], note_batch([notes], RATE, len(audio)), envelope, RATE, CUT_FADE_MS)
    loudest = max(note.velocity for note in notes)
    for ours, theirs in zip((found / found.max()).tolist(), notes, strict=True):
        assert ours == pytest.approx(theirs.velocity / loudest, rel=0.15)


def test_pieces_of_a_recording_make_the_same_conversion(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Heard and played in pieces or whole; the last note goes across several windows."""
    long = np.concatenate([clip(index, 2.0)[0] for index in range(3)] + [clip(4, 2.0)[0][:20_000]])
    monkeypatch.setattr(hearing, "PASSAGE_S", 2.5)
    whole = codec.convert(long, clip(3, 1.0, timbre=1)[0])
    monkeypatch.setattr(listening, "CHUNK_S", 1.0)
    monkeypatch.setattr(playing, "WINDOW_S", 0.3)
    pieces = codec.convert(long, clip(3, 1.0, timbre=1)[0])
    assert pieces.notes == whole.notes
    assert pieces.envelope == whole.envelope
    np.testing.assert_allclose(pieces.audio, whole.audio, atol=1e-4)


def test_what_is_long_is_heard_in_stretches_of_whole_notes() -> None:
    notes = tuple(
        Note(at, length, 60, 100) for at, length in ((1.0, 0.5), (2.0, 1.0), (4.0, 9.0), (14.0, 0.5))
    )
    played = [
        hearing.Played(*pair) for pair in zip(notes, compose.spans(notes, 1024, 15 * 1024), strict=True)
    ]
    found = hearing.stretches(played, 15 * 1024, 3 * 1024)
    assert [(part.first, part.last) for part in found] == [(0, 2), (2, 3), (3, 4)]
    assert [(part.start, part.stop) for part in found] == [(1024, 4096), (4096, 7168), (14336, 15360)]
    assert hearing.stretches(played, 15 * 1024, 15 * 1024) == [hearing.Stretch(0, 4, 0, 15 * 1024)]


@pytest.mark.parametrize("lengths", [(0.2, 3.0), (7.3, 0.21), (1.0, 1.0)])
def test_sources_and_references_of_any_length_convert(codec: Codec, lengths: tuple[float, float]) -> None:
    sounds = []
    for index, seconds in enumerate(lengths):
        audio = np.tile(clip(index, 2.0)[0], 4)
        sounds.append(audio[: round(seconds * RATE)])
    made = codec.convert(sounds[0], sounds[1])
    assert made.audio.shape == sounds[0].shape
    assert made.audio.dtype == np.float32
    assert np.isfinite(made.audio).all()
    assert 0.0 < np.abs(made.audio).max() <= 1.0
    assert made.notes


def test_an_envelope_by_number_is_the_gain_that_is_heard(codec: Codec) -> None:
    audio, _, _ = clip(2, 3.0)
    given = Envelope(15.0, 60.0, 0.0, 20.0)
    made = codec.convert(audio, take=frozenset(), envelope=given)
    assert made.envelope == given
    gain = compose.gain(made.notes, given, RATE, len(audio), CUT_FADE_MS)
    assert np.abs(made.audio[gain == 0.0]).max(initial=0.0) == 0.0
    assert np.abs(made.audio).max() > 0.05


def test_an_octave_moves_the_notes_by_twelve(codec: Codec) -> None:
    audio, _, _ = clip(2, 2.0)
    plain = codec.convert(audio, take=frozenset())
    moved = codec.convert(audio, take=frozenset(), octave=plain.octave + 1)
    assert [n.pitch + 12 for n in plain.notes if n.pitch + 12 <= 127] == [n.pitch for n in moved.notes]
    assert moved.octave == plain.octave + 1


def test_silence_and_noise_convert_without_a_crash(codec: Codec) -> None:
    audio, _, _ = clip(2, 1.0)
    silence = np.zeros(RATE, dtype=np.float32)
    noise = (stream(1, "noise").random(RATE).astype(np.float32) - 0.5) * 1e-3
    assert np.abs(codec.convert(silence, audio).audio).max() == 0.0
    for source, reference in ((audio, silence), (noise, audio), (audio, noise)):
        assert np.isfinite(codec.convert(source, reference).audio).all()


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((2, RATE), dtype=np.float32), "mono"),
        (np.zeros(1000, dtype=np.float32), "at least 0.2 s"),
        (np.full(RATE, np.nan, dtype=np.float32), "not finite"),
    ],
)
def test_audio_that_cannot_be_converted_is_refused(codec: Codec, audio: np.ndarray, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        codec.convert(audio)


def test_building_a_system_leaves_the_global_generator_alone() -> None:
    config = parse_config({"steps": 1, "model": SIZES}, "test")
    before = torch.random.get_rng_state()
    first = build("triptych", config.model, Format(RATE, CUT_FADE_MS, ("one",)), seed=4)
    assert torch.equal(before, torch.random.get_rng_state())
    second = build("triptych", config.model, Format(RATE, CUT_FADE_MS, ("one",)), seed=4)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])


def test_fitting_finds_the_envelopes_of_a_batch_from_rough_guesses() -> None:
    phrases, envelopes = ([make(11, index) for index in range(4)] for make in (
        lambda seed, index: make_phrase(seed, index, 3.0), lambda seed, index: make_envelope(seed, index)[1]
    ))  # fmt: skip
    tone = np.sin(2.0 * np.pi * 331.0 * np.arange(3 * RATE) / RATE).astype(np.float32)
    steady = np.stack(
        [
            tone * compose.gain(n, e, RATE, 3 * RATE, CUT_FADE_MS)
            for n, e in zip(phrases, envelopes, strict=True)
        ]
    )
    level = features(torch.from_numpy(steady), RATE).level_BL
    rough = [
        Envelope(
            e.attack_ms * 1.5, e.decay_ms * 0.7, min(e.sustain + 0.1, 1.0), e.release_ms * 1.4, e.hold_ms + 10
        )
        for e in envelopes
    ]
    batch = note_batch(phrases, RATE, 3 * RATE)
    guess, true = (to_units(envelope_batch(some)) for some in (rough, envelopes))
    fitted = fit_envelopes(level, batch, guess, RATE, CUT_FADE_MS)
    errors = (fitted.units_BP - true).abs()
    assert (errors.mean(1) < 0.5 * (guess - true).abs().mean(1)).all()
    assert (fitted.off_BN <= batch.end_BN).all()
    attack, _, _, sustain, _, _ = errors.median(0).values.tolist()
    assert attack < 0.02  # of a logarithm: 2%
    assert sustain < 0.005 * 4.0
    alone = fit_envelopes(level[2:3], batch[2:3], guess[2:3], RATE, CUT_FADE_MS)
    torch.testing.assert_close(alone.units_BP[0], fitted.units_BP[2], atol=2e-3, rtol=2e-3)


def test_a_tie_of_durations_does_not_change_the_octave() -> None:
    tie = (Note(0.0, 0.5, 54, 100), Note(0.5, 0.5, 70, 100))
    late = (Note(0.0, 0.499, 54, 100), Note(0.5, 0.503, 70, 100))
    assert hearing.heard_median(late) == hearing.heard_median(tie) == median_pitch(tie) == 54
    clear = (Note(0.0, 0.4, 54, 100), Note(0.5, 0.5, 70, 100))
    assert hearing.heard_median(clear) == median_pitch(clear) == 70


@pytest.mark.parametrize(("name", "most"), [("base", 16.0), ("small", 4.0), ("tiny", 1.0), ("demo", 2.0)])
def test_configs_have_the_sizes_that_are_stated(name: str, most: float) -> None:
    config = load_config(ROOT / "configs" / "train" / f"{name}.yaml")
    format = Format(RATE, CUT_FADE_MS, tuple(f"timbre {index}" for index in range(250)))
    system = build(config.system, config.model, format)
    millions = sum(parameter.numel() for parameter in system.players()["codec"]) / 1e6
    assert 0.5 * most < millions <= most
    stated = re.search(r"\(([\d.]+) M parameters", (ROOT / "configs" / "train" / f"{name}.yaml").read_text())
    assert stated is None or float(stated[1]) == pytest.approx(millions, abs=0.06)
    assert not any(isinstance(module, torch.nn.RNNBase) for module in system.modules())


def test_bf16_hears_and_plays_what_fp32_does(system: Triptych) -> None:
    """Under autocast: the trunks in bf16, spectra, phases, gains and pooling in fp32."""
    audio, notes, envelope = clip(2, 1.0)

    @torch.no_grad()
    def run(enabled: bool) -> tuple[torch.Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            heard = passage(audio, notes)
            logits = system.encoder(heard.features)
            timbre = converting.timbre_of(system, heard, envelope)
            played = torch.from_numpy(np.array(play(system, notes, envelope, timbre, len(audio))))
            guess = system.envelope_head(heard.features.level_BL, heard.notes).clip_BP
        return logits.onset_BS, logits.pitch_BGP, timbre.vectors, guess, played

    for half, whole in zip(run(True), run(False), strict=True):
        assert torch.isfinite(half.float()).all()
        assert float((half.float() - whole).abs().mean()) < 0.03 * float(whole.abs().mean() + 0.03)


def test_a_timbre_does_not_depend_on_level(codec: Codec) -> None:
    audio, _, _ = clip(5, 1.0)
    loud, quiet = (codec.encode(level * audio).timbre for level in (1.0, 0.05))
    for name in ("harmonic_BNK", "noise_BNW", "vectors"):
        torch.testing.assert_close(loud[name], quiet[name], atol=1e-2, rtol=1e-2)
    assert float(quiet["level_B"][0]) == pytest.approx(0.05 * float(loud["level_B"][0]), rel=1e-3)


def test_a_conversion_is_the_same_every_time(codec: Codec) -> None:
    audio, other = clip(5, 1.0)[0], clip(6, 1.0, timbre=3)[0]
    first, second = (codec.convert(audio, other).audio for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_an_equaliser_changes_levels_by_what_it_says() -> None:
    time = np.arange(RATE) / RATE
    tones = np.stack([np.sin(2 * np.pi * hz * time) for hz in (60.0, 16_000.0)]).astype(np.float32)
    bands = torch.zeros(2, BANDS)
    bands[0, 0], bands[1, -1] = 6.0, -12.0
    made = equalise(torch.from_numpy(tones), bands, RATE)
    change = level_change(torch.from_numpy(tones)[:, 4000:-4000], made[:, 4000:-4000])
    assert (20.0 * change.log10()).tolist() == pytest.approx([6.0, -12.0], abs=0.1)
    flat = equalise(torch.from_numpy(tones), torch.zeros(2, BANDS), RATE)
    np.testing.assert_allclose(flat, tones, atol=1e-5)


def test_a_room_rings_as_long_and_as_loud_as_it_says() -> None:
    click = torch.zeros(4, RATE)
    click[:, 100] = 1.0
    rooms = torch.tensor([[0.0, 1.0], [1.0, 1.0], [1.0, 1e-6], [0.5, 0.0]])
    heard = in_rooms(click, rooms, torch.tensor(5), RATE)
    torch.testing.assert_close(heard[3], click[3], atol=1e-6, rtol=0)
    rest = (heard / heard[:, 100:101])[:3, 101:]
    energy = rest.square().cumsum(1)
    assert (10.0 * energy[:, -1].log10()).tolist() == pytest.approx([-6.0, -6.0, -24.0], abs=0.4)
    left = 10.0 * (1.0 - energy[:2] / energy[:2, -1:]).log10()
    fallen_s = (left > -20.0).sum(1) / RATE
    assert (3.0 * fallen_s).tolist() == pytest.approx([0.15, 0.8], rel=0.1)
    assert torch.equal(heard, in_rooms(click, rooms, torch.tensor(5), RATE))
    assert not torch.equal(heard[0], in_rooms(click, rooms, torch.tensor(6), RATE)[0])


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
    with Loader(Shards(tables), system.kinds, 1, 2, 1) as loader:
        batch = system.collate(list(islice(loader, 4)), {id: id for id in range(4)})
    (turn,) = system.turns(batch, 0.0)
    parameters = dict(system.named_parameters())
    found = torch.autograd.grad(
        torch.stack(list(turn.losses.values())).sum(), list(parameters.values()), allow_unused=True
    )
    idle = {name for (name, _), gradient in zip(parameters.items(), found, strict=True) if gradient is None}
    # Without a profile nothing is moved, and the discriminator has not come yet.
    assert {name for name in idle if not name.startswith("discriminator")} <= {"decoder.spread"}
