"""The bytes of "What Crosses the Cut?", a benchmark of split learning without back-propagation.

github.com/juniorfelix998/FSL-SAGE, docs/METRICS.md and docs/part0-mnist-smoke-test.md: MNIST as 3x32x32,
ResNet18 cut after its second stage, two clients, batches of 256, two rounds, Adam. It counts tensors
without framing: activations and gradients at the cut, without labels; weights with BatchNorm's buffers.
"""

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Final

from cutlayer.models.block_cost import FLOAT_BYTES, BlockCost
from cutlayer.models.outline import outline
from cutlayer.models.spec import ModelSpec
from cutlayer.sim.papers.worlds import played
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.validate.table import BYTES, Line, Table

if TYPE_CHECKING:
    from cutlayer.models.model import Model

SOURCE: Final = "github.com/juniorfelix998/FSL-SAGE, docs/part0-mnist-smoke-test.md"
METRICS: Final = "github.com/juniorfelix998/FSL-SAGE, docs/METRICS.md"
MIB: Final = 2**20
WEIGHTS: Final = ("up_weights", "down_weights")
MODEL: Final = f"{__name__}:resnet18"
CUT: Final = 5  # the stem and two stages of two residual blocks
STAGE: Final = slice(5, 7)  # the next stage, which the public code's auxiliary model has too
CLASSES: Final = 10
SHAPE: Final = (3, 32, 32)
SPEC: Final = ModelSpec(MODEL, CLASSES, SHAPE)
SCENARIO: Final = f"""\
name: bpfree
data: {{dataset: mnist, partition: iid}}
model: {{name: '{MODEL}', cut: {CUT}}}
training: {{rounds: 2, batch_size: 256, optimizer: {{name: adam, lr: 0.001}}}}
topology:
  star:
    server: {{device: server-8-core, slots: 1}}
    clients: [{{device: jetson-nano, count: 2, link: wifi-50}}]
methods: [splitfed_v2, cse_fsl, fsl_sage]
"""
PUBLISHED: Final = {  # bytes at the cut, and of weights
    "splitfed_v2": (1_966_080_000, 21_920_384),
    "cse_fsl": (201_326_592, 89_275_648),
}
# MiB of weights of five clients in three rounds.
SWEEP: Final = {"splitfed_v2": 78.39, "cse_fsl": 319.27, "fsl_sage": 118.54}
OTHER_HEAD: Final = "with the public code's auxiliary model instead of ours"


def resnet18(classes: int = CLASSES, input_shape: Sequence[int] = SHAPE) -> "Model":
    """Build ResNet18 with running statistics, as in the public code; the catalogue's has none."""
    from torch import nn

    from cutlayer.models import resnet

    model = resnet.resnet18(classes, input_shape)
    for module in [*model.modules()]:
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.BatchNorm2d(child.num_features))
    return model


def table() -> Table:
    """Return the bytes at the cut and of weights, published and simulated."""
    found, lines = played(SCENARIO), []
    for method, (at_cut, of_weights) in PUBLISHED.items():
        cut = _payload(found[method], "up_activations", "down_gradients")
        note = OTHER_HEAD if method == "cse_fsl" else ""
        weights = _weights(found[method])
        for name, published, simulated, text in (
            ("at the cut", at_cut, cut, ""),
            ("of weights", of_weights, weights, note),
        ):
            quantity = f"{method}, bytes {name}"
            lines.append(
                Line(quantity, BYTES, published, "predicted", simulated, SOURCE, text, within=0.0)
            )
    sweep = played(SCENARIO, overrides=["topology.star.clients.0.count=5", "training.rounds=3"])
    for method, mib in SWEEP.items():
        quantity, simulated = f"{method}, weights of 5 clients in 3 rounds", _weights(sweep[method])
        lines.append(
            Line(quantity, "MiB", mib, "predicted", simulated / MIB, METRICS, within=0.0001)
        )
    own = _payload(found["cse_fsl"], *WEIGHTS)
    return Table(
        "bpfree",
        '"What Crosses the Cut?": ResNet18 on MNIST as 3x32x32, two clients, two rounds',
        tuple(lines),
        (),
        (
            "Payload without framing and labels. Nothing is fitted: the counts follow from 60,000"
            " samples, 8,192 B of activation for each, 118 batches of each client, of which CSE-FSL"
            " uploads every fifth, and the tensors of the blocks. These include BatchNorm's running"
            " statistics and counters, which ResNet18 of the catalogue does not have.",
            "The public code's auxiliary model is the stage behind the cut and a linear layer,"
            f" {_published_head():,} B. Cutlayer's head is one linear layer, {_own_head():,} B, with"
            f" which CSE-FSL's weights take {own:,} B.",
            "The published accuracies, 98.80 % and 98.41 %, are not reproduced: no images are read.",
        ),
    )


def _weights(result: MethodResult) -> int:
    """Return the payload of all weights, with the public code's auxiliary models."""
    block = _bytes(*outline(SPEC).blocks[:CUT])
    blocks = 2 * block * sum(closed.clients for closed in result.rounds)
    weights = _payload(result, *WEIGHTS)
    heads, rest = divmod(weights - blocks, _own_head())
    assert rest == 0, "weights are those of blocks and whole heads"
    return blocks + heads * _published_head()


def _payload(result: MethodResult, *categories: str) -> int:
    """Return the payload bytes of some categories over the run."""
    return sum(closed.payload_by.get(name, 0) for closed in result.rounds for name in categories)


def _published_head() -> int:
    """Return the bytes of the next stage, and of a linear layer on its mean over the map."""
    model = outline(SPEC)
    channels = model.activation_shape(STAGE.stop)[0]
    return _bytes(*model.blocks[STAGE]) + FLOAT_BYTES * (channels * CLASSES + CLASSES)


def _own_head() -> int:
    """Return the bytes of Cutlayer's auxiliary head: a linear layer on the activation."""
    model = outline(SPEC)
    head = model.head(CUT)
    assert head.parameters == (prod(model.activation_shape(CUT)) + 1) * CLASSES
    return _bytes(head)


def _bytes(*blocks: BlockCost) -> int:
    """Return the bytes of the state dicts of blocks."""
    return sum(FLOAT_BYTES * block.parameters + block.buffer_bytes for block in blocks)
