"""Ablation variants: the codec with one part removed or replaced by an alternative that was rejected.

Only `benchmarks/ablations.py` trains and scores them; the product never imports them. All variants get the
true notes, so that their decoders are compared without errors of note estimation, and short trainings
suffice. `codes`, `decoders` and `latent_gain` hold the alternatives, `system` trains them, `scoring` and
`code_probes` measure them.
"""
