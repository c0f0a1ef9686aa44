"""docs/reference/models.md has the figures of every model."""

from dataclasses import replace

import pytest
from doc_pages import DOCS

from cutlayer.models import MODELS, Model, build
from cutlayer.models.catalogue import TOKEN_MODELS
from cutlayer.models.cost import block_costs
from cutlayer.models.features import PRODUCTS
from cutlayer.models.spec import ModelSpec

PUBLISHED = ("resnet", "mobilenet")  # tested in test_architectures, since tracing them takes long


def million_macs(model: Model) -> float:
    layers = [layer for block in block_costs(model) for layer in block.layers]
    return sum(layer.forward_flops for layer in layers if layer.op_class in PRODUCTS) / 2e6


def test_the_table_has_every_model_with_its_figures() -> None:
    lines = (DOCS / "reference/models.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines]
    table = {row[0]: row[1:6] for row in rows if row and row[0] in MODELS}
    assert list(table) == list(MODELS)
    for name, (shape, outputs, parameters, macs, blocks) in table.items():
        sizes = tuple(int(size) for size in shape.removesuffix(" tokens").split("x"))
        classes = int(outputs.replace(",", ""))
        listed = TOKEN_MODELS.get(name, ModelSpec(name, classes))
        spec = replace(listed, classes=classes, input_shape=sizes)
        model = build(spec, seed=0, device="meta")
        assert parameters == f"{sum(p.numel() for p in model.parameters()):,}", name
        assert blocks == str(len(model)), name
        if not name.startswith(PUBLISHED):
            millions = float(macs.replace(",", ""))
            assert millions == pytest.approx(million_macs(model), rel=5e-4), name
