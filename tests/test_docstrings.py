"""Tests the docstrings of the packages' interfaces: they have examples, and the examples are true."""

from __future__ import annotations

import ast
import doctest
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("manifests", "midi", "presets", "render", "train")


def modules(package: str) -> Iterator[Path]:
    return (path.relative_to(ROOT) for path in sorted((ROOT / package).rglob("*.py")))


def imported_elsewhere() -> Iterator[tuple[str, str]]:
    """Yields (module, name) of everything that one package imports from another."""
    for package in PACKAGES:
        for path in modules(package):
            for node in ast.walk(ast.parse((ROOT / path).read_text())):
                if isinstance(node, ast.ImportFrom) and node.module is not None:
                    owner = node.module.split(".")[0]
                    if owner in PACKAGES and owner != package:
                        yield from ((node.module, alias.name) for alias in node.names)


def functions(module: str) -> dict[str, str]:
    """Maps the functions of a module to their docstrings."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    body = ast.parse(path.read_text()).body if path.exists() else []
    return {node.name: ast.get_docstring(node) or "" for node in body if isinstance(node, ast.FunctionDef)}


def test_functions_that_another_package_imports_have_an_example() -> None:
    interface = sorted(set(imported_elsewhere()))
    assert len(interface) > 100
    missing = [
        f"{module}.{name}"
        for module, name in interface
        if not {"Example", ">>>"} & set(functions(module).get(name, "Example").replace(":", " ").split())
    ]
    assert not missing


@pytest.mark.parametrize(
    "path", [path for path in modules("manifests") if ">>>" in (ROOT / path).read_text()], ids=str
)
def test_examples_give_what_they_say(path: Path) -> None:
    result = doctest.testmod(import_module(".".join(path.with_suffix("").parts)))
    assert result.attempted > 0
    assert result.failed == 0


def raised(function: ast.FunctionDef) -> set[str]:
    """Returns the names of the errors that a function raises itself."""
    calls = (node.exc for node in ast.walk(function) if isinstance(node, ast.Raise))
    return {ast.unparse(call.func).split(".")[-1] for call in calls if isinstance(call, ast.Call)}


def test_public_functions_document_the_errors_that_they_raise() -> None:
    missing = []
    for path in (path for package in PACKAGES for path in modules(package)):
        # The docstring of a command is its help; its errors are lines on the terminal.
        if "cli" in path.with_suffix("").parts:
            continue
        for node in ast.parse((ROOT / path).read_text()).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                unnamed = {error for error in raised(node) if error not in (ast.get_docstring(node) or "")}
                missing += [f"{path}: {node.name}: {error}" for error in sorted(unnamed - {"SystemExit"})]
    assert not missing
