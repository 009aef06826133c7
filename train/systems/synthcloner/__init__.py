"""SynthCloner (arXiv 2509.24286) written afresh from its facts: the system that ours is compared with.

`layers` are its building blocks, `encoder` and `decoder` the convolutional codec, `quantiser` its content,
`envelope` and `timbre` the other two factors, `rhythm` what lets an envelope go onto another rhythm,
`judges` the discriminators, `system` puts it together.
"""
