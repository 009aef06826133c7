"""Converts one recording with another, in a few lines of Python.

    python examples/convert.py SOURCE REFERENCE OUT [CHECKPOINT]

Plays the notes of SOURCE with the timbre and the envelope of REFERENCE. Without a CHECKPOINT
(RUN/best.safetensors of `python -m train fit`) the released weights are used.
"""

from __future__ import annotations

import sys

from train import load_codec


def main(source: str, reference: str, out: str, checkpoint: str | None = None) -> None:
    codec = load_codec(checkpoint)
    result = codec.convert(source, reference, take="timbre,envelope")
    result.save(out)
    print(f"{out}: {len(result.audio) / result.rate:.2f} s, {len(result.notes or ())} notes")
    for doubt in result.doubts:
        print(f"warning: {doubt}")


if __name__ == "__main__":
    main(*sys.argv[1:])
