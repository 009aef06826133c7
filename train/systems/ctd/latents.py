"""Stores the latents of the train split in shards beside the run.

    RUN/latents/shards/train/shard-000000.safetensors  tensor "12": block 12's latents, float16 [clips, C, F]

The frozen encoder makes them. Each file names that encoder by a digest of its weights, and is written
atomically. A run that was interrupted keeps the files that exist; files of another encoder are made again.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from manifests.dataset import files
from manifests.dataset.storage import utf8_name
from manifests.types import ClipId, InputError
from train.data.shards import ShardSource
from train.data.tables import Tables

CACHED_BLOCKS = 64
"""Blocks that are kept in memory."""
SPREAD_BLOCKS = 64
"""Blocks from which the standard deviation of the latents is measured."""

Encode = Callable[[Tensor], Tensor]
"""A function of clips, int16 [clips, samples], that returns their latents, float16 [clips, C, F]."""


def weights_digest(module: nn.Module) -> str:
    """Computes the SHA-256 of a module's state dict, in hexadecimal."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class LatentStore:
    """Holds the latents of every train clip; those that are missing are made at construction.

    Args:
        tables: tables of the dataset.
        folder: folder of the latents.
        encoder: digest of the encoder.
        encode: the encoder.
    """

    def __init__(self, tables: Tables, folder: Path, encoder: str, encode: Encode) -> None:
        self.folder = folder
        source = ShardSource(tables)
        self.blocks = {block.block: block for block in source.blocks(0)}
        shards = defaultdict(list)
        for block in self.blocks.values():
            shards[block.shard].append(block)
        for shard, members in shards.items():
            path = self._path(shard)
            if not _made_by(path, encoder):
                latents = {
                    str(block.block): encode(
                        torch.stack(
                            [torch.from_numpy(c.audio) for c in source.clips(block, range(block.clips))]
                        )
                    ).cpu()
                    for block in members
                }
                files.replace(path, save(latents, metadata={"encoder": encoder}))
        self._block = lru_cache(maxsize=CACHED_BLOCKS)(self._read)

    def _path(self, shard: str) -> Path:
        return self.folder / Path(shard).with_suffix(".safetensors")

    def _read(self, number: int) -> tuple[Tensor, dict[ClipId, int]]:
        block = self.blocks[number]
        path = self._path(block.shard)
        try:
            with safe_open(utf8_name(path), framework="pt") as file:
                latents = file.get_tensor(str(number))
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"{path}: incomplete or unreadable latents ({error}); remove the file and fit again"
            ) from None
        return latents, {id: place for place, id in enumerate(block.ids())}

    def latents(self, id: ClipId) -> Tensor:
        """Returns a clip's latents, float32 [C, F]. Raises InputError if its file is missing or torn."""
        latents, places = self._block(id.block)
        return latents[places[id]].float()

    def spread(self) -> float:
        """Measures the standard deviation of the latents, over some of the blocks."""
        numbers = sorted(self.blocks)[:: -(-len(self.blocks) // SPREAD_BLOCKS)]
        return float(torch.stack([self._read(number)[0].float().var() for number in numbers]).mean().sqrt())


def _made_by(path: Path, encoder: str) -> bool:
    try:
        with safe_open(utf8_name(path), framework="pt") as file:
            return bool((file.metadata() or {}).get("encoder") == encoder)
    except (SafetensorError, OSError):
        return False
