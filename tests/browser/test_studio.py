"""The studio in Chromium: wide and narrow, by mouse and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.chromium import Browser
from tests.support.listening_page import PLAYING, controls_without_names
from tests.support.studio import REFUSED, Studio, running_studio, write_recordings

RESULT = "document.querySelector('.panel[data-role=result]')"
NUMBER = f"Number({RESULT}?.dataset.number ?? 0)"
HARMLESS = "Method not implemented."
"""What Gradio's client logs when it closes a stream."""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_recordings(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with running_studio(tmp_path_factory.mktemp("studio")) as running:
        yield running


def drop(browser: Browser, role: str, path: Path) -> None:
    browser.wait(f"document.querySelector('#{role}-file input[type=file]') !== null", 30)
    browser.upload(f"#{role}-file input[type=file]", path)


def open_with_recordings(browser: Browser, studio: Studio, recordings: dict[str, Path], width: int) -> None:
    browser.errors.clear()
    browser.requests.clear()
    browser.visit(studio.url, width)
    drop(browser, "source", recordings["source tune"])
    browser.wait("document.querySelector('.panel[data-role=source]') !== null", 30)
    drop(browser, "reference", recordings["reference"])
    browser.wait("document.querySelector('.panel[data-role=reference]') !== null", 30)
    browser.wait(f"{NUMBER} >= 2 && window.studio.find('result').readyState >= 1", 30)


def focus(browser: Browser, selector: str) -> None:
    browser.run(f"document.querySelector({selector!r}).focus()")


def hear_change_and_play(browser: Browser, studio: Studio, recordings: dict[str, Path], width: int) -> None:
    open_with_recordings(browser, studio, recordings, width)
    assert browser.run("document.documentElement.scrollWidth") <= width
    shapes = "['.wave', '.gain', '.note'].map(s => r.querySelectorAll(s).length)"
    for role in ("source", "reference", "result"):
        panel = f"(r => {shapes})(document.querySelector('.panel[data-role={role}]'))"
        wave, gain, notes = browser.run(panel)
        assert (wave, gain) == (1, 1)
        assert notes >= 3
    heard = browser.run("document.querySelector('.panel[data-role=source]').innerText")
    assert "misfit" in heard
    assert heard.count("%") == 6

    # By keyboard: an arrow on the slider of the attack plays anew; its number is in the command line.
    number = browser.run(NUMBER)
    focus(browser, "#attack input[type=range]")
    for _ in range(3):
        browser.press("ArrowRight")
    browser.wait(f"{NUMBER} > {number}")
    attack = browser.run("document.querySelector('#attack input[type=range]').value")
    browser.wait(f"{RESULT}.innerText.includes('--attack-ms {float(attack):.10g} ')")

    # Level-matched, one at a time, the position kept.
    browser.run("document.activeElement.blur()")
    browser.press("c")
    browser.press(" ")
    browser.wait("window.studio.state.sound?.currentTime > 0.1")
    levels = browser.run(
        "window.studio.roles.map(window.studio.find).map(a => Number(a.dataset.rms) * a.volume)"
    )
    assert levels == pytest.approx([levels[0]] * 3, rel=1e-3)
    before = browser.run("window.studio.state.sound.currentTime")
    browser.press("a")
    browser.wait("window.studio.state.sound?.dataset.role === 'source'")
    assert browser.run(f"{PLAYING}.length") <= 1
    after = browser.run("window.studio.state.sound.currentTime")
    assert after >= before - 0.01 or after < 0.3
    browser.press(" ")
    browser.wait(f"window.studio.state.sound === null && {PLAYING}.length === 0")

    assert [error for error in browser.errors if HARMLESS not in error] == []
    outside = [
        url for url in browser.requests if not url.startswith((studio.url, "data:", "blob:" + studio.url))
    ]
    assert outside == []
    assert studio.uploads() == []


def test_a_wide_page_by_keyboard_and_every_control_has_a_name(
    browser: Browser, studio: Studio, recordings: dict[str, Path]
) -> None:
    hear_change_and_play(browser, studio, recordings, 1280)
    count, nameless = controls_without_names(browser)
    assert count > 20
    # Pictures of ours have names; Gradio's icons are no controls.
    assert [node for node in nameless if node["role"]["value"] != "image"] == []
    reached = set()
    for _ in range(60):
        browser.press("Tab")
        of = "document.activeElement.closest('[id]:not([id^=range_id]):not(input)')"
        reached.add(browser.run(f"{of}?.id"))
    wanted = {"take", "share", "attack", "hold", "decay", "sustain", "release", "curve", "octave", "heard"}
    assert wanted | {"player"} <= reached


def test_bad_files_give_one_line_and_the_page_goes_on(
    browser: Browser, studio: Studio, recordings: dict[str, Path]
) -> None:
    browser.visit(studio.url)
    shown = "document.querySelector('#message [role=alert]')?.textContent"
    for name, line in REFUSED.items():
        drop(browser, "source", recordings[name])
        browser.wait(f"({shown} ?? '').startsWith({line!r})", 30)
    drop(browser, "source", recordings["source tune"])
    browser.wait(f"{RESULT} !== null", 30)


def test_a_narrow_page_and_the_session_ends_with_it(
    browser: Browser, studio: Studio, recordings: dict[str, Path]
) -> None:
    hear_change_and_play(browser, studio, recordings, 390)
    link = browser.run("document.querySelector('.downloads a').href")
    assert httpx.get(link).status_code == 200
    browser.send("Page.navigate", url="about:blank")
    browser.wait("location.href === 'about:blank'")
    for _ in range(100):
        if httpx.get(link).status_code == 404:
            break
        browser.wait("new Promise(done => setTimeout(() => done(true), 100))")
    assert httpx.get(link).status_code == 404
