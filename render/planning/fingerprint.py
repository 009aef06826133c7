"""Hashes what a dataset's bytes depend on: the fingerprint of audible settings, and the platform class."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import soundfile
from numpy.lib import introspect

from manifests.dataset.canonical import sha256_file, sha256_json
from manifests.dataset.schema import SCHEMA_VERSION
from manifests.types import InputError
from presets.synths.synth import Synth
from render.config import Config

AUDIO_VERSION = "2.0"
"""Version of the rendered sound. Its major part changes with any audible change; tests pin renders to it."""

LIBRARIES = ("dawdreamer", "numpy", "pandas", "pyarrow", "soundfile", "webdataset", "mido")


def audible(config: Config) -> dict[str, Any]:
    """Returns the config without paths, names and execution settings, as plain data.

    Raises InputError if a scan is missing.
    """
    plain = config.model_dump(mode="json")
    del plain["name"]
    for timbres in plain["timbres"]:
        del timbres["plugin"], timbres["profile"], timbres["optional"]
        timbres.pop("skip_bad", None)
        scan, select = timbres.pop("scan"), timbres.pop("select")
        if scan is not None:
            timbres |= {"scan": _scan_sha256(Path(scan)), "select": select}
    if plain["phrases"]["midi"] is not None:
        del plain["phrases"]["midi"]["folder"]
        plain["phrases"]["midi"].pop("skip_bad", None)
    return plain


def _scan_sha256(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"timbres: scan {path}: no such file; make it with `python -m presets scan`")
    return sha256_file(path)


def ingredients(config: Config, synths: list[Synth], midi: dict[str, str]) -> dict[str, Any]:
    """Returns everything that enters the fingerprint. `midi` maps each source to its file's SHA-256."""
    return {
        "audio": AUDIO_VERSION,
        "schema": SCHEMA_VERSION.split(".")[0],
        "config": audible(config),
        "synths": {synth.name: synth.fingerprint() for synth in synths},
        "midi": midi,
    }


def fingerprint(of: dict[str, Any]) -> str:
    """Returns the SHA-256 (hex) of the ingredients' canonical JSON."""
    return sha256_json(of)


def platform_class() -> dict[str, Any]:
    """Describes this machine's platform class, within which the bytes are identical.

    The class is architecture, SIMD level, C library and library versions.
    """
    simd = introspect.opt_func_info(func_name="^add$", signature="float32")
    target = simd.get("add", {}).get("fff", {}).get("current", "baseline")
    return {
        "architecture": platform.machine(),
        "simd": str(target),
        "libc": " ".join(platform.libc_ver()),
        "libsndfile": soundfile.__libsndfile_version__,
        "libraries": {name: version(name) for name in LIBRARIES},
    }
