"""Any `nn.Module` as a model: its forward pass is traced and split into blocks after its submodules.

`tracing` records the forward pass as graphs of operations, `values` runs them on the `meta` device,
`boundaries` finds what crosses after each submodule and which cuts are possible, `blocks` makes modules
of the segments between them, `packing` puts several tensors into one, and `wrap` makes
the model of what `analysis` finds.
"""
