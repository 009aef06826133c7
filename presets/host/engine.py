"""The plugin inside DawDreamer. Only the host's child process imports this module.

Loading and rendering are apart: the host loads once and stays pristine, a fork of it renders one group.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dawdreamer
import numpy as np
import numpy.typing as npt

from manifests.synthesis.midi_file import midi_file
from manifests.types import Note
from presets.synths import zyn
from presets.synths.jobs import GroupJob, PresetRefused, PresetState, Take

VOICES = 4
LOUDER = 1024
"""Faust frees a released voice once its level falls below a fixed threshold, in the middle of a long
release. So voices are played louder and what comes out is divided: a power of two costs no bit."""
VOICE = """voice = environment {{
{source}
}};
process = voice.process : par(i, outputs(voice.process), *({louder}));
"""


class Engine:
    """One synth in one DawDreamer engine. `names` are the parameters it has."""

    def __init__(self, kind: str, plugin: Path, rate: int, buffer_size: int, warm_up_s: float) -> None:
        self._engine: Any = dawdreamer.RenderEngine(rate, buffer_size)
        self._warm_up_s = warm_up_s
        self._set: dict[str, int | str] = {}
        self._factor = np.float32(1.0)
        if kind == "faust":
            self._factor = np.float32(1.0 / LOUDER)
            self._synth = self._engine.make_faust_processor("synth")
            self._synth.num_voices = VOICES
            self._synth.group_voices = True
            source = plugin.read_text(encoding="utf-8")
            self._synth.set_dsp_string(VOICE.format(source=source, louder=LOUDER))
            self._synth.compile()
        else:
            self._synth = self._engine.make_plugin_processor("synth", str(plugin))
        for row in self._synth.get_parameters_description():
            # A Faust parameter is known by its path, which DawDreamer makes up; its last part is ours.
            key = row["name"] if kind == "faust" else row["index"]
            self._set[row["name"].rsplit("/", 1)[-1]] = key
        self._engine.load_graph([(self._synth, [])])

    @property
    def names(self) -> list[str]:
        return list(self._set)

    def render(self, job: GroupJob) -> Iterator[npt.NDArray[np.float32]]:
        """Sets the parameters, warms up in silence, plays the notes: float32 [channels, samples] a take.

        The first render of a fresh instance differs from the second in some plugins, and parameters may
        glide to their values; the warm-up is the same for every group.
        """
        # Kars draws from the C library's numbers, which it seeds by the clock when it is loaded.
        ctypes.CDLL(None).srand(1)
        if job.state is not None:
            self._load(job.state)
        self._send(job.settings)
        if self._warm_up_s > 0.0:
            self._engine.render(self._warm_up_s)
        for take in job.takes or (Take({}, job.notes, job.seconds),):
            self._send(take.settings)
            audio = self._play(take)
            yield audio.mean(axis=0, keepdims=True) if job.mono and len(audio) > 1 else audio

    def _send(self, settings: dict[str, float]) -> None:
        for name, value in settings.items():
            self._synth.set_parameter(self._set[name], value)

    def _play(self, take: Take) -> npt.NDArray[np.float32]:
        self._synth.clear_midi()
        if take.cut:
            self._load_midi(take.notes)
        else:
            for note in take.notes:
                self._synth.add_midi_note(note.pitch, note.velocity, note.onset, note.duration)
        self._engine.render(take.seconds)
        audio = np.ascontiguousarray(self._synth.get_audio(), dtype=np.float32)
        if self._factor != 1.0:
            audio *= self._factor
        return audio

    def _load_midi(self, notes: Sequence[Note]) -> None:
        # A new file each time: to write over one waits for the disk, as long as a tenth of a second of sound.
        path = Path(tempfile.gettempdir(), f"take-{os.getpid()}.mid")
        path.write_bytes(midi_file(notes, cut=True))
        taken = self._synth.load_midi(str(path))
        path.unlink()
        if not taken:
            raise OSError(f"{path}: DawDreamer did not load it")

    def _load(self, state: PresetState) -> None:
        """Loads a preset's bytes; PresetRefused if the plugin does not take them.

        Never by DawDreamer's `load_state`: it opens an editor window (field notes: the process dies).
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"preset.{'vstpreset' if state.format == 'vstpreset' else 'fxp'}"
            data = state.data
            if state.format == "zyn":
                self._synth.save_state(str(path))
                data = zyn.insert_instrument(path.read_bytes(), data)
            path.write_bytes(data)
            load = self._synth.load_vst3_preset if state.format == "vstpreset" else self._synth.load_preset
            try:
                taken = load(str(path))
            except RuntimeError as error:
                raise PresetRefused(str(error)) from None
        if not taken:
            raise PresetRefused("the plugin did not take the preset")
