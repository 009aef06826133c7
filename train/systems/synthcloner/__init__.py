"""SynthCloner, the reference that the codec is compared with.

Reimplemented from "SynthCloner: synthesizer-style audio transfer via factorized codec with ADSR envelope
control", arXiv 2509.24286. `codec` holds the convolutional encoder and decoder, and `quantiser` quantises the
content. `envelope` and `timbre` encode the other two factors, and `rhythm` fits an envelope to another
rhythm. `layers` and `discriminators` are building blocks; `system` trains and converts.
"""
