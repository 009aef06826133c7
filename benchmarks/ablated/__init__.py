"""What Triptych was decided against: the same codec with one part taken out or put in place of another.

No part of the product: `benchmarks/ablations.py` trains and judges these, nothing else knows of them. All of
them play true notes (`system`), so that a decoder is not blamed for what was misheard, and a few hundred
steps tell something. `decoders`, `codes` and `latent_gain` hold what was tried, `judging` scores it.
"""
