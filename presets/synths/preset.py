"""Describes one preset of a synth: its address, its values or its file's bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from manifests.synthesis.recipe import Recipe
from manifests.synthesis.recipe_parameters import to_parameters


@dataclass(frozen=True)
class Preset:
    """Describes one preset; `parameters` are values in the plugin's own units.

    `address` identifies the preset within its synth. `state` is a preset file's bytes, if it has one.
    `recipe` says how its tones are altered; the plugin knows nothing of it.
    """

    address: str
    name: str
    parameters: dict[str, float]
    bank_sha256: str
    state: bytes | None = None
    recipe: Recipe | None = None

    def identity(self) -> dict[str, Any]:
        """Returns what its sound depends on besides the synth; this enters the hash of every group."""
        content: dict[str, Any] = {"parameters": self.parameters}
        if self.state is not None:
            content["state"] = hashlib.sha256(self.state).hexdigest()
        if self.recipe is not None:
            content["altered"] = to_parameters(self.recipe)
        return content

    def stated_parameters(self) -> dict[str, float]:
        """Returns the parameters as a timbre's row states them, its recipe among them."""
        return self.parameters if self.recipe is None else self.parameters | to_parameters(self.recipe)
