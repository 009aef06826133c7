"""The studio's page, built on Gradio: its controls, and what happens when one is changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr

from manifests.types import CURVES, Envelope, InputError
from train.codec.api import Codec
from train.codec.recordings import LONGEST_PHRASE_S
from train.studio.command_lines import command_lines
from train.studio.panels import empty, heard_panel, message, result_panel
from train.studio.session import ROLES, Role, Session, Sessions, Settings

PLAYER = """
<div id="player" role="group" aria-label="Player">
<button type="button" data-toggle aria-pressed="false">Play</button>
<button type="button" data-choose="source">A source</button>
<button type="button" data-choose="reference">B reference</button>
<button type="button" data-choose="result">C result</button>
<label><input type="checkbox" name="match" checked> same level</label>
<label><input type="checkbox" name="loop" checked> repeat</label>
</div>
"""
INTRODUCTION = f"""# Triptych studio
Drop in a **source**, whose notes are kept, and a **reference**, of one voice each and at most
{LONGEST_PHRASE_S:g} s. Keys: A, B and C choose a sound and keep the position, space plays.
Recordings stay on this computer. They are forgotten when the page is closed."""

LEFT_S = 60.0
"""Age in seconds from which empty files in the folder of uploads are deleted."""

LONGEST_MS = 2000.0
"""End of the sliders of times, in ms. A longer time that was heard extends its slider."""


class Page:
    """The page's components and handlers, for one codec.

    Recordings that were uploaded are deleted from the disk as soon as they are heard.
    """

    def __init__(self, codec: Codec, sessions: Sessions, checkpoint: str | None) -> None:
        self.codec, self.sessions, self.checkpoint = codec, sessions, checkpoint
        self.cut_fade_ms = codec.system.format.cut_fade_ms
        self.blocks = gr.Blocks(title="Triptych studio", analytics_enabled=False, fill_width=True,
                                delete_cache=(60, 60))  # fmt: skip
        with self.blocks:
            gr.Markdown(INTRODUCTION)
            self.message = gr.HTML("", elem_id="message")
            self.panels: dict[str, Any] = {}
            self.files: list[tuple[Role, Any]] = []
            with gr.Row():
                for role in ROLES:
                    self._input_column(role)
            gr.HTML(PLAYER)
            with gr.Row():
                with gr.Column(min_width=300):
                    self._controls()
                with gr.Column(min_width=300):
                    waiting = empty("The result appears as soon as there is a source.")
                    self.panels["result"] = gr.HTML(waiting, elem_id="result")
            self._connect()

    def _input_column(self, role: Role) -> None:
        with gr.Column(min_width=300):
            title = role.capitalize()
            with gr.Tab("File"):
                self.files.append((role, gr.File(label=f"{title}: drop in a recording", height=140,
                                                 elem_id=f"{role}-file")))  # fmt: skip
            with gr.Tab("Microphone"):
                recorder = gr.Audio(sources=["microphone"], type="filepath", label=f"{title}: record",
                                    elem_id=f"{role}-microphone", editable=False)  # fmt: skip
                self.files.append((role, recorder))
            self.panels[role] = gr.HTML(empty(f"No {role} yet."), elem_id=role)

    def _controls(self) -> None:
        self.take = gr.CheckboxGroup(["timbre", "envelope"], value=["timbre", "envelope"],
                                     label="Take from the reference", elem_id="take")  # fmt: skip
        self.share = gr.Slider(0.0, 1.0, value=1.0, step=0.01, elem_id="share",
                               label="Blend of the timbres: 0 the source's, 1 the reference's")  # fmt: skip
        times = {
            name: gr.Slider(0.0, LONGEST_MS, value=value, step=0.1, elem_id=name,
                            label=f"{name.capitalize()}, ms")
            for name, value in (("attack", 5.0), ("hold", 0.0), ("decay", 200.0))
        }  # fmt: skip
        sustain = gr.Slider(0.0, 1.0, value=0.5, step=0.001, label="Sustain, level", elem_id="sustain")
        release = gr.Slider(0.0, LONGEST_MS, value=100.0, step=0.1, label="Release, ms", elem_id="release")
        self.curve = gr.Radio(list(CURVES), value="linear", label="Curve", elem_id="curve")
        self.octave = gr.Slider(-5, 5, value=0, step=1, label="Octave of the timbre", elem_id="octave")
        self.numbers = [*times.values(), sustain, release]
        self.again = gr.Button("Back to what was heard", elem_id="heard")

    def _connect(self) -> None:
        controls = [self.take, self.share, *self.numbers, self.curve, self.octave]
        measured = [*self.numbers, self.curve, self.octave]
        common = {"concurrency_id": "codec", "concurrency_limit": 1, "show_progress": "hidden"}
        for role, component in self.files:
            event = component.upload if isinstance(component, gr.File) else component.stop_recording
            outputs = [component, self.message, self.panels[role], self.panels["result"], *measured]
            event(self._hearing(role), [component, self.take, self.share], outputs,
                  api_name=f"hear_{role}" if isinstance(component, gr.File) else False, **common)  # fmt: skip
        gr.on([self.take.input, self.again.click], self._measured, [self.take, self.share],
              [self.message, self.panels["result"], *measured], api_name="measured", **common)  # fmt: skip
        changes = [control.input for control in (self.share, *self.numbers, self.curve, self.octave)]
        gr.on(changes, self._played, controls, [self.message, self.panels["result"]], api_name="play",
              trigger_mode="always_last", **common)  # fmt: skip
        self.blocks.unload(self._end)

    def _hearing(self, role: Role) -> Callable[..., list[Any]]:
        """Makes the handler of a recording that was dropped in or recorded."""

        def hear(path: str | None, take: list[str], share: float, request: gr.Request) -> list[Any]:
            kept = [gr.skip()] * (2 + len(self.numbers) + 2)
            if path is None:
                return [gr.skip(), gr.skip(), *kept]
            key = str(request.session_hash)
            session = self.sessions.of(key)
            try:
                heard = session.hear(self.codec, role, Path(path))
            except InputError as error:
                return [None, message(str(error), error=True), *kept]
            finally:
                delete_upload(Path(path))
            panel = heard_panel(role, heard, self.codec.rate, self.cut_fade_ms, key, session.number)
            if "source" not in session.heard:
                return [None, message(f"{heard.name} is heard", error=False), panel, *kept[1:]]
            _, *played = self._measured(take, share, request)
            return [None, message(f"{heard.name} is heard", error=False), panel, *played]

        return hear

    def _measured(self, take: list[str], share: float, request: gr.Request) -> list[Any]:
        """Sets the controls to what was heard, and plays it."""
        session = self.sessions.of(str(request.session_hash))
        takes = frozenset(take)
        try:
            envelope, octave = session.measured(takes)
            text, panel = self._play(session, Settings(takes, share, envelope, octave), request)
        except InputError as error:
            return [message(str(error), error=True), *[gr.skip()] * (3 + len(self.numbers))]
        attack, hold, decay, release = (
            gr.update(value=ms, maximum=max(ms, LONGEST_MS))
            for ms in (envelope.attack_ms, envelope.hold_ms, envelope.decay_ms, envelope.release_ms)
        )
        return [text, panel, attack, hold, decay, envelope.sustain, release, envelope.curve, octave]

    def _played(
        self, take: list[str], share: float, attack: float, hold: float, decay: float, sustain: float,
        release: float, curve: str, octave: float, request: gr.Request,
    ) -> list[Any]:  # fmt: skip
        """Plays what the controls say."""
        session = self.sessions.of(str(request.session_hash))
        try:
            envelope = Envelope(attack, decay, sustain, release, hold, curve)
            settings = Settings(frozenset(take), share, envelope, round(octave))
            return list(self._play(session, settings, request))
        except InputError as error:
            return [message(str(error), error=True), gr.skip()]

    def _play(self, session: Session, settings: Settings, request: gr.Request) -> tuple[str, str]:
        """Plays these settings; returns what to show. Raises InputError if there is no source yet."""
        result = session.play(self.codec, settings)
        commands = command_lines(session, settings, self.checkpoint)
        key = str(request.session_hash)
        return "", result_panel(result, commands, self.cut_fade_ms, key, session.number)

    def _end(self, request: gr.Request) -> None:
        self.sessions.end(str(request.session_hash))


def delete_upload(path: Path) -> None:
    """Deletes a recording that was uploaded, the folder that Gradio made for it, and old empty files.

    Gradio leaves an empty file for each upload.
    """
    with suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()
        for left in path.parent.parent.glob("tmp*"):
            if left.is_file() and not left.stat().st_size and time.time() - left.stat().st_mtime > LEFT_S:
                left.unlink()
