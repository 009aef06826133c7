"""Opens a dataset, queries its tables and iterates its triplets, without torch.

python examples/triplets.py DATASET [SPLIT]
"""

from __future__ import annotations

import sys
from itertools import islice

from manifests import Dataset


def main(folder: str, split: str = "train") -> None:
    dataset = Dataset(folder)
    print(f"{dataset.name}: {len(dataset)} clips in {', '.join(dataset.splits)}")
    print(
        dataset.query("SELECT synth, count(*) AS timbres FROM timbres GROUP BY synth").to_string(index=False)
    )
    for triplet in islice(dataset.triplets(split=split, kind="both"), 3):
        keys = [clip.id.key for clip in (triplet.source, triplet.reference, triplet.target)]
        audio = triplet.target.audio  # float32 [frames]; triplet.target.pcm is int16
        print(*keys, f"{len(audio) / triplet.target.rate:.2f} s", f"{len(triplet.target.notes)} notes")


if __name__ == "__main__":
    main(*sys.argv[1:])
