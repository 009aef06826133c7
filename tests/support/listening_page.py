"""A folder of audio pairs for the listening page, and helpers that operate the page in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from tests.support.chromium import Browser

RATE = 44_100


SECONDS = 0.6


NAMES = ("one", "two", "</script><b>three")


PLAYING = "[...document.querySelectorAll('audio')].filter(a => !a.paused && a.currentTime > 0)"


def page_data(text: str) -> dict[str, Any]:
    """Returns the JSON data of a page."""
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert match
    data: dict[str, Any] = json.loads(match[1])
    return data


def tone(hertz: float, level: float) -> np.ndarray:
    time = np.arange(round(SECONDS * RATE)) / RATE
    return level * np.sin(2 * np.pi * hertz * time) * np.minimum(1.0, 20 * time)


def select_option(browser: Browser, name: str, value: str) -> None:
    browser.run(
        f"(s => {{ s.value = {json.dumps(value)}; s.dispatchEvent(new Event('change', {{bubbles: true}})) }})"
        f"(document.querySelector('[name={name}]'))"
    )


def controls_without_names(browser: Browser) -> tuple[int, list[Any]]:
    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "slider", "combobox", "checkbox", "image", "radio", "searchbox", "textbox")
    controls = [
        node for node in nodes if node.get("role", {}).get("value") in roles and not node.get("ignored")
    ]
    return len(controls), [node for node in controls if not node.get("name", {}).get("value")]


def write_pairs(folder: Path) -> Path:
    """Writes three pairs and two systems' conversions. The third pair's name contains markup."""
    for number, name in enumerate(NAMES):
        hertz = 220.0 * (number + 1)
        sounds = {
            "orig": tone(hertz, 0.5), "ref": tone(330.0, 0.3), "gt": tone(hertz, 0.25),
            "alpha": tone(hertz, 0.05 * (number + 1)), "beta": tone(hertz * 1.5, 0.2),
        }  # fmt: skip
        for role, audio in sounds.items():
            (folder / f"{name}_{role}.wav").parent.mkdir(exist_ok=True, parents=True)
            soundfile.write(folder / f"{name}_{role}.wav", audio, RATE)
    return folder
