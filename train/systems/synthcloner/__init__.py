"""SynthCloner, the reference that the codec is compared with, reimplemented from the paper (arXiv
2509.24286).

"SynthCloner: synthesizer-style audio transfer via factorized codec with ADSR envelope control". `codec` holds
the convolutional encoder and decoder, `quantiser` quantises the content, `envelope` and `timbre` encode the
other two factors, `rhythm` fits an envelope to another rhythm, `layers` and `discriminators` are building
blocks, and `system` trains and converts.
"""
