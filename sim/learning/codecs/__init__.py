"""The codecs of `cutlayer.sim.codecs` on tensors."""
