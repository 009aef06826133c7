"""What a plugin lacks is told: a wait for its thread, or data of the user's home folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.types import InputError
from presets.host.surroundings import check_surroundings
from presets.synths.synth import open_synth
from tests.support.presets.odd_synth_builds import Build, odd_profile

TONE = "bright: {Tone: 0.9}\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / ".odd").mkdir(parents=True)
    (tmp_path / "home" / ".odd" / "samples").write_bytes(bytes(10))
    return tmp_path / "home"


def test_a_plugin_that_loads_in_a_thread_needs_wait_s(odd: Build, home: Path) -> None:
    plugin = odd("OddSlow", LOADS_MS=700)
    synth = open_synth(str(odd_profile(plugin)))
    with pytest.raises(InputError, match=r"preset init sounds only 5 s after it was loaded.* `wait_s: 5`"):
        check_surroundings(synth, synth.presets(), home)
    for isolation in ("fork", "process"):
        waits = open_synth(str(odd_profile(plugin, wait_s=1.5, isolation=isolation)))
        check_surroundings(waits, waits.presets(), home)


@pytest.mark.parametrize(("macro", "manner"), [("HOME", "only"), ("HOME_DEFAULT", "otherwise")])
def test_a_plugin_that_reads_the_users_home_needs_home(
    odd: Build, home: Path, tmp_path: Path, macro: str, manner: str
) -> None:
    (tmp_path / "presets.yaml").write_text(TONE)
    plugin = odd(f"Odd{macro.title().replace('_', '')}", **{macro: 1})
    fields: dict[str, object] = {"banks": str(tmp_path), "wait_s": 0}
    synth = open_synth(str(odd_profile(plugin, **fields)))
    expected = rf"sounds {manner} with .*/home/\.odd in its home folder; .*HOME/\.odd, and state `home: HOME`"
    with pytest.raises(InputError, match=expected):
        check_surroundings(synth, synth.presets(), home)
    given = open_synth(str(odd_profile(plugin, home=str(home), **fields)))
    check_surroundings(given, given.presets(), home)


def test_a_plugin_without_such_needs_passes(odd: Build, home: Path) -> None:
    synth = open_synth(str(odd_profile(odd())))
    check_surroundings(synth, synth.presets(), home)
