"""SS-VQ-VAE (Cífka et al., ICASSP 2021; arXiv 2102.05749) written afresh from its facts: a baseline.

`spectra` goes from audio to log magnitudes and back (Griffin-Lim), `quantiser` is its content, `networks`
its encoders and decoder, `system` puts it together.
"""
