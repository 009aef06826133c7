"""The running studio: two visitors, bad uploads, and what is left of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.studio import REFUSED, Studio

TAKE = ["timbre", "envelope"]


def visit(studio: Studio) -> Any:
    """Opens a session of its own, without a browser."""
    from gradio_client import Client

    return Client(studio.url, verbose=False, analytics_enabled=False)


def hear(client: Any, role: str, path: Path) -> list[Any]:
    from gradio_client import handle_file

    return list(client.predict(handle_file(str(path)), TAKE, 1.0, api_name=f"/hear_{role}"))


def keys_in(panel: str) -> set[str]:
    return set(re.findall(r"sound/([\w-]+)/", panel))


def test_a_session_is_never_served_to_another(studio: Studio, recordings: dict[str, Path]) -> None:
    one, other = visit(studio), visit(studio)
    answers = [hear(one, "source", recordings["source tune"]), hear(other, "source", recordings["reference"])]
    keys = [keys_in(answer[2]) for answer in answers]
    assert keys[0].isdisjoint(keys[1])
    sounds = [httpx.get(f"{studio.url}sound/{key}/source.wav") for each in keys for key in each]
    assert [sound.status_code for sound in sounds] == [200, 200]
    assert sounds[0].content != sounds[1].content
    assert httpx.get(f"{studio.url}sound/{'0' * 11}/source.wav").status_code == 404
    # The other visitor has no reference, though the first one gets one now.
    hear(one, "reference", recordings["reference"])
    (other_key,) = keys[1]
    assert httpx.get(f"{studio.url}sound/{other_key}/reference.wav").status_code == 404
    assert studio.uploads() == []


def test_uploads_are_never_served_from_disk(studio: Studio, recordings: dict[str, Path]) -> None:
    with recordings["source tune"].open("rb") as file:
        (path,) = httpx.post(f"{studio.url}gradio_api/upload", files={"files": file}).json()
    assert Path(path).is_relative_to(studio.temporary)
    for route in (f"gradio_api/file={path}", f"gradio_api/file/{path}", f"gradio_api/%66ile={path}"):
        assert httpx.get(studio.url + route).status_code == 404
    Path(path).unlink()


def test_bad_uploads_give_one_line_and_the_server_survives(
    studio: Studio, recordings: dict[str, Path]
) -> None:
    client = visit(studio)
    for name, line in REFUSED.items():
        answer = hear(client, "source", recordings[name])
        assert re.search(r'role="alert">([^<\n]*)</p>$', answer[1]), answer[1]
        assert line in answer[1]
    with recordings["large"].open("rb") as file:
        refused = httpx.post(f"{studio.url}gradio_api/upload", files={"files": file})
    assert refused.status_code == 413
    text, _ = client.predict(TAKE, 1.0, 5, 0, 100, 0.5, 80, "linear", 0, api_name="/play")
    assert "there is no source yet" in text
    assert "source tune.wav is heard" in hear(client, "source", recordings["source tune"])[1]
    assert studio.uploads() == []


def test_pages_may_load_nothing_from_elsewhere(studio: Studio) -> None:
    answer = httpx.get(studio.url)
    assert answer.headers["content-security-policy"].startswith("default-src 'self' data: blob:")
    assert studio.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("route", ["docs", "openapi.json"])
def test_no_other_routes(studio: Studio, route: str) -> None:
    assert "swagger" not in httpx.get(studio.url + route).text.lower()
