"""Wraps a plugin in a DawDreamer engine. Only the host process imports this module.

Loading is separate from rendering: the host loads the plugin once, and a fork of the host renders one group.
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
FAUST_GAIN = 1024
"""Gain of Faust voices, divided out of the output. Faust frees a released voice once its level is below a
fixed threshold, which would cut long releases. A power of two rounds no sample."""
FAUST_VOICE = """voice = environment {{
{source}
}};
process = voice.process : par(i, outputs(voice.process), *({gain}));
"""


class Engine:
    """Hosts one synth in one DawDreamer engine. Raises RuntimeError if the plugin does not load."""

    def __init__(self, kind: str, plugin: Path, rate: int, buffer_size: int, warm_up_s: float) -> None:
        self._engine: Any = dawdreamer.RenderEngine(rate, buffer_size)
        self._warm_up_s = warm_up_s
        self._keys: dict[str, int | str] = {}
        self._gain = np.float32(1.0)
        if kind == "faust":
            self._gain = np.float32(1.0 / FAUST_GAIN)
            self._synth = self._engine.make_faust_processor("synth")
            self._synth.num_voices = VOICES
            self._synth.group_voices = True
            source = plugin.read_text(encoding="utf-8")
            self._synth.set_dsp_string(FAUST_VOICE.format(source=source, gain=FAUST_GAIN))
            self._synth.compile()
        else:
            self._synth = self._engine.make_plugin_processor("synth", str(plugin))
        for row in self._synth.get_parameters_description():
            # DawDreamer names a Faust parameter by its path; the last part is the name in the source.
            key = row["name"] if kind == "faust" else row["index"]
            self._keys[row["name"].rsplit("/", 1)[-1]] = key
        self._engine.load_graph([(self._synth, [])])

    @property
    def names(self) -> list[str]:
        """The names of the synth's parameters."""
        return list(self._keys)

    def render(self, job: GroupJob) -> Iterator[npt.NDArray[np.float32]]:
        """Sets the parameters, renders the warm-up, then yields each take: float32 [channels, samples].

        The warm-up is silent. It is needed because the first render of some plugins differs from later ones,
        and because parameters may glide to their values. Raises PresetRefused if the preset does not load.
        """
        # Kars uses the C library's random numbers, and seeds them by the clock when it loads.
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
            self._synth.set_parameter(self._keys[name], value)

    def _play(self, take: Take) -> npt.NDArray[np.float32]:
        self._synth.clear_midi()
        if take.cut:
            self._load_midi(take.notes)
        else:
            for note in take.notes:
                self._synth.add_midi_note(note.pitch, note.velocity, note.onset, note.duration)
        self._engine.render(take.seconds)
        audio = np.ascontiguousarray(self._synth.get_audio(), dtype=np.float32)
        if self._gain != 1.0:
            audio *= self._gain
        return audio

    def _load_midi(self, notes: Sequence[Note]) -> None:
        # A new file each time: overwriting a file waits for the disk.
        path = Path(tempfile.gettempdir(), f"take-{os.getpid()}.mid")
        path.write_bytes(midi_file(notes, cut=True))
        taken = self._synth.load_midi(str(path))
        path.unlink()
        if not taken:
            raise OSError(f"{path}: DawDreamer did not load it")

    def _load(self, state: PresetState) -> None:
        """Loads a preset's bytes. Raises PresetRefused if the plugin rejects them.

        DawDreamer's `load_state` is not used: it opens an editor window, which fails without a display.
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
