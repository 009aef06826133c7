"""The Jinja2 environment of the pages: values are escaped, package files are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from manifests.html.environment import environment

HOSTILE = "<b>&\"'</script>\u2028"


def render(folder: Path, template: str, **values: object) -> str:
    (folder / "page.html").write_text(template)
    return environment(folder).get_template("page.html").render(values)


def test_a_value_is_text(tmp_path: Path) -> None:
    assert render(tmp_path, "<p>{{ name }}</p>", name='<b>&"') == "<p>&lt;b&gt;&amp;&#34;</p>"


def test_json_cannot_end_its_script(tmp_path: Path) -> None:
    text = render(tmp_path, "{{ data|tojson }}", data={HOSTILE: [HOSTILE, 1.5, "é"]})
    assert "<" not in text
    assert "é" in text
    assert json.loads(text) == {HOSTILE: [HOSTILE, 1.5, "é"]}


def test_assets_come_as_they_are_from_the_folder_or_the_shared_files(tmp_path: Path) -> None:
    (tmp_path / "own.js").write_text("a && b < c {{ not_a_name }}")
    text = render(tmp_path, '{{ asset("own.js") }}{{ asset("base.css") }}')
    assert text.startswith("a && b < c {{ not_a_name }}")
    assert "--paper" in text
    with pytest.raises(FileNotFoundError, match=r"none\.css"):
        render(tmp_path, '{{ asset("none.css") }}')


def test_a_name_that_is_not_given_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError):
        render(tmp_path, "{{ missing }}")
