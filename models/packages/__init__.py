"""Models of installed packages by name: `transformers:NAME`, `timm:NAME` and `torchvision:NAME`.

`names` has the prefixes; `hugging_face` builds models of transformers, with the forward passes of
`one_input`, and `images` those of timm and torchvision. A package is imported when a name asks for it.
"""
