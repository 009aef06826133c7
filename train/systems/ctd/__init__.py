"""CTD (Demerlé et al., "Combining audio control and style transfer using latent diffusion", ISMIR 2024; arXiv
2408.00196) written afresh from its facts: a baseline.

`stages` is its schedule. First `pqmf`, `autoencoder` and `losses`: audio to latents and back. Then `latents`
(what the frozen encoder makes of the dataset, kept in shards), `cqt` and `conditions` (what timbre and
structure are), `unet` and `diffusion`. `system` puts it together.
"""
