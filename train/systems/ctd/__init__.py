"""CTD, a baseline: latent diffusion conditioned on timbre and structure, reimplemented from the paper.

Demerlé, Esling, Doras and Genova, "Combining audio control and style transfer using latent diffusion", ISMIR
2024, arXiv 2408.00196. `stages` is its schedule. `pqmf`, `autoencoder` and `losses` encode audio as latents;
`latents` stores those of the dataset once the encoder is frozen. `cqt` and `conditions` compute timbre and
structure, `unet` and `diffusion` the latents from them. `system` trains and converts.
"""
