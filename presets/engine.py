"""The plugin inside DawDreamer. Only the host's child process imports this module.

Loading and rendering are apart: the host loads once and stays pristine, a fork of it renders one group.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dawdreamer
import numpy as np
import numpy.typing as npt

from presets.jobs import GroupJob

VOICES = 4


class Engine:
    """One synth in one DawDreamer engine. `names` are the parameters it has."""

    def __init__(self, kind: str, plugin: Path, rate: int, buffer_size: int, warm_up_s: float) -> None:
        self._engine: Any = dawdreamer.RenderEngine(rate, buffer_size)
        self._warm_up_s = warm_up_s
        self._set: dict[str, int | str] = {}
        if kind == "faust":
            self._synth = self._engine.make_faust_processor("synth")
            self._synth.num_voices = VOICES
            self._synth.group_voices = True
            self._synth.set_dsp_string(plugin.read_text(encoding="utf-8"))
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

    def render(self, job: GroupJob) -> npt.NDArray[np.float32]:
        """Sets the parameters, warms up in silence, plays the notes: float32 [channels, samples].

        The first render of a fresh instance differs from the second in some plugins, and parameters may
        glide to their values; the warm-up is the same for every group.
        """
        for name, value in job.settings.items():
            self._synth.set_parameter(self._set[name], value)
        self._engine.render(self._warm_up_s)
        for note in job.notes:
            self._synth.add_midi_note(note.pitch, note.velocity, note.onset, note.duration)
        self._engine.render(job.seconds)
        return np.ascontiguousarray(self._synth.get_audio(), dtype=np.float32)
