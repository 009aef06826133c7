"""Jinja2 environments whose templates are package data. Autoescape is on: a value is always text."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

SHARED = "manifests.html"
"""The package that holds the files that both pages use, such as `base.css`."""


def environment(folder: Traversable, **globals_: Any) -> Environment:
    """Makes a Jinja2 environment for the templates in a folder of package data.

    A template calls `asset(name)` to insert a style sheet or script as it is. Both a template and an asset
    come from `folder`, or from this package where `folder` has no such file. An undefined name is an error.

    Args:
        folder: Folder of templates, for instance `files("manifests.audit.page")`.
        globals_: Functions and values that every template of the environment sees.

    Raises:
        jinja2.TemplateNotFound: On rendering, if a template is in neither folder.
        FileNotFoundError: On rendering, if an asset is in neither folder.

    Example: `environment(files("manifests.audit.page"))`; the page then adds its filters.
    """

    def read(name: str) -> str | None:
        for place in (folder, files(SHARED)):
            file = place / name
            if file.is_file():
                return file.read_text(encoding="utf-8")
        return None

    def asset(name: str) -> Markup:
        text = read(name)
        if text is None:
            raise FileNotFoundError(f"{name}: neither in {folder} nor in {SHARED}")
        # Files of our own packages: the only text that enters a page unescaped.
        return Markup(text)

    made = Environment(
        loader=FunctionLoader(read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # `value|tojson`: compact, without NaN, keys in the order given. "<", ">", "&" and "'" become escapes.
    made.policies["json.dumps_kwargs"] = {
        "ensure_ascii": False,
        "separators": (",", ":"),
        "allow_nan": False,
        "sort_keys": False,
    }
    made.globals |= {"asset": asset, **globals_}
    return made
