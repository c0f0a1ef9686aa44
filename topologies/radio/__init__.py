"""Radio channels: units, path loss, Shannon's rate, fading, and the division of a band.

Not modelled: interference between cells, shadowing, modulation and coding schemes, retransmissions.
"""
