"""SS-VQ-VAE, a baseline: one-shot timbre transfer with vector-quantised content.

Reimplemented from Cífka, Ozerov, Şimşekli and Richard, "Self-supervised VQ-VAE for one-shot music style
transfer", ICASSP 2021, arXiv 2102.05749. `spectra` computes log magnitudes and inverts them, `quantiser`
quantises the content, `networks` holds encoders and decoder, and `system` trains and converts.
"""
