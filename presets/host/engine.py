"""Wraps a plugin in a DawDreamer engine. Only the host process imports this module.

Loading is separate from rendering: the host loads the plugin once, and a fork of the host renders one group.
What a plugin is late by its stated latency is corrected. Of its outputs only the main one is heard.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dawdreamer
import numpy as np
import numpy.typing as npt

from manifests.dataset.storage import utf8_name
from manifests.synthesis.compose import to_samples
from manifests.synthesis.midi_file import midi_file
from manifests.types import Note
from presets.host.loading import check_change, check_owner, load_state
from presets.synths.jobs import GroupJob, PresetRefused, PresetState, Take
from presets.synths.parameter_keys import parameter_places

VOICES = 4
FAUST_GAIN = 1024
"""Gain of Faust voices, divided out of the output. Faust frees a released voice once its level is below a
fixed threshold, which would cut long releases. A power of two rounds no sample."""
FAUST_VOICE = """voice = environment {{
{source}
}};
process = voice.process : par(i, outputs(voice.process), *({gain}));
"""
MAIN_CHANNELS = 2
"""The channels that are heard. VST2 has no buses: of more outputs, the first two are the main ones."""
LONGEST_LATENCY_S = 10.0


class Engine:
    """Hosts one synth in one DawDreamer engine. Raises RuntimeError if the plugin does not load.

    `wait_s` is the time in seconds that `wait` sleeps, for plugins that load their data in a thread.
    """

    def __init__(
        self,
        kind: str,
        plugin: Path,
        rate: int,
        buffer_size: int,
        warm_up_s: float,
        wait_s: float = 0.0,
    ) -> None:
        self._engine: Any = dawdreamer.RenderEngine(rate, buffer_size)
        self._kind, self._plugin, self._rate = kind, plugin, rate
        self._warm_up_s, self._wait_s = warm_up_s, wait_s
        self._gain = np.float32(1.0)
        self._keys: dict[str, int | str]
        if kind == "faust":
            self._gain = np.float32(1.0 / FAUST_GAIN)
            self._synth = self._engine.make_faust_processor("synth")
            self._synth.num_voices = VOICES
            self._synth.group_voices = True
            source = plugin.read_text(encoding="utf-8")
            self._synth.set_dsp_string(FAUST_VOICE.format(source=source, gain=FAUST_GAIN))
            self._synth.compile()
        else:
            self._synth = self._engine.make_plugin_processor("synth", str(utf8_name(plugin)))
        rows = self._synth.get_parameters_description()
        if kind == "faust":
            # DawDreamer names a Faust parameter by its path; the last part is the name in the source.
            self._keys = {row["name"].rsplit("/", 1)[-1]: row["name"] for row in rows}
        else:
            places = parameter_places([row["name"] for row in rows])
            self._keys = {key: rows[place]["index"] for key, place in places.items()}
        self._engine.load_graph([(self._synth, [])])

    def check_parameters(self, keys: Sequence[str]) -> None:
        """Raises ValueError unless each key is a parameter of the plugin, and no two are the same one."""
        known: dict[int | str, str] = {}
        for key in keys:
            if key not in self._keys:
                raise ValueError(
                    f"{self._plugin} has no parameter {key!r}; its profile is for another version"
                )
            if (other := known.setdefault(self._keys[key], key)) != key:
                raise ValueError(f"{self._plugin}: {other!r} and {key!r} are the same parameter")

    def wait(self) -> None:
        """Waits until the plugin's threads have loaded their data, `wait_s` seconds."""
        if self._wait_s > 0.0:
            time.sleep(self._wait_s)

    def render(self, job: GroupJob) -> Iterator[npt.NDArray[np.float32]]:
        """Sets the parameters, renders the warm-up, then yields each take: float32 [channels, samples].

        The warm-up is silent. It is needed because the first render of some plugins differs from later ones,
        and because parameters may glide to their values. Raises PresetRefused if the preset does not load.
        """
        # Kars uses the C library's random numbers, and seeds them by the clock when it loads.
        ctypes.CDLL(None).srand(1)
        if job.check and job.state is not None:
            check_change(self._synth, job.state)
            yield np.zeros((1, 1), dtype=np.float32)
            return
        if job.state is not None:
            self._load(job.state)
        self._send(job.settings)
        self.wait()
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
        late = self._latency()
        if late:
            frames = to_samples(take.seconds, self._rate)
            # A quarter sample more, so that neither rounding nor truncation loses one.
            self._engine.render((frames + late + 0.25) / self._rate)
        else:
            self._engine.render(take.seconds)
        audio = np.ascontiguousarray(self._synth.get_audio()[:MAIN_CHANNELS, late:], dtype=np.float32)
        if self._gain != 1.0:
            audio *= self._gain
        return audio

    def _latency(self) -> int:
        """Returns by how many samples the plugin says it is late. A preset may change that."""
        if self._kind == "faust":
            return 0
        samples = int(self._synth.get_latency_samples())
        if samples > LONGEST_LATENCY_S * self._rate:
            raise PresetRefused(f"the plugin says that it is {samples / self._rate:.3g} s late")
        return max(samples, 0)

    def _load_midi(self, notes: Sequence[Note]) -> None:
        # A new file each time: overwriting a file waits for the disk.
        path = Path(tempfile.gettempdir(), f"take-{os.getpid()}.mid")
        path.write_bytes(midi_file(notes, cut=True))
        taken = self._synth.load_midi(str(path))
        path.unlink()
        if not taken:
            raise OSError(f"{path}: DawDreamer did not load it")

    def _load(self, state: PresetState) -> None:
        check_owner(self._synth, state)
        load_state(self._synth, state)
