"""Which tensors of a model are trained, and low-rank adapters (LoRA) of its layers.

`tuning` is a scenario's choice as plain data, which needs no torch.
"""
