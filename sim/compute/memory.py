"""Peak memory of a device or the server in a round, estimated from what is held at the same time.

Training holds weights, gradients, optimizer state and, for one batch, every activation that the
backward pass needs; a frozen block holds its weights and its two largest neighbouring activations.
Tensors that are not trained have no gradient and no optimizer state. The batch is the largest that
occurs, which may be smaller than the scenario's batch size. The server holds a replica of its block for
every client of the round, activations for each slot, the model, the sum that becomes the next model, and
what its method keeps between rounds. All its replicas share one copy of what is not trained.
Not counted: the interpreter, the framework's own workspace, and the data set.
"""

from collections.abc import Sequence
from itertools import chain

from cutlayer.models.block_cost import FLOAT_BYTES, BlockCost


def training_bytes(blocks: Sequence[BlockCost], batch_size: int, state_slots: int) -> int:
    """Return the peak bytes of training `blocks` on batches of `batch_size`."""
    trained, frozen = _trained_bytes(blocks), _frozen_bytes(blocks)
    training = trained * (2 + state_slots) + frozen + _saved_bytes(blocks) * batch_size
    return max(training, inference_bytes(blocks, batch_size)) if frozen else training


def inference_bytes(blocks: Sequence[BlockCost], batch_size: int) -> int:
    """Return the peak bytes of running `blocks` forward on batches of `batch_size`."""
    layers = chain.from_iterable(block.layers for block in blocks)
    widest = max((layer.input_bytes + layer.output_bytes for layer in layers), default=0)
    return _trained_bytes(blocks) + _frozen_bytes(blocks) + widest * batch_size


def server_bytes(
    trained: Sequence[tuple[Sequence[BlockCost], int, Sequence[int]]],
    state_slots: int,
    *,
    replicas: int,
    slots: int,
    model: Sequence[BlockCost],
    kept: int,
) -> int:
    """Return the peak bytes of a server that trains `replicas` on `slots` at a time.

    `trained` has, for each server block, the maximum number of its replicas and the largest batch of
    each client, largest first: the server works on one batch of a client at a time. The largest
    replicas and batches count. `model` has all blocks. `kept` is the size in bytes of the activations
    that the method keeps between rounds.
    """
    weights, running = [], []
    for blocks, count, batches in trained:
        weights += [_trained_bytes(blocks)] * count
        running += [_saved_bytes(blocks) * batch for batch in batches[: min(slots, replicas)]]
    largest = sum(sorted(weights, reverse=True)[:replicas]) * (2 + state_slots)
    at_once = sum(sorted(running, reverse=True)[: min(slots, replicas)])
    return largest + at_once + 2 * _trained_bytes(model) + _frozen_bytes(model) + kept


def _trained_bytes(blocks: Sequence[BlockCost]) -> int:
    return FLOAT_BYTES * sum(block.trained_parameters for block in blocks)


def _frozen_bytes(blocks: Sequence[BlockCost]) -> int:
    return sum(block.frozen_bytes for block in blocks)


def _saved_bytes(blocks: Sequence[BlockCost]) -> int:
    """Return the bytes per sample that wait for the backward pass."""
    inputs = blocks[0].input_bytes if blocks else 0
    return inputs + sum(block.saved_activation_bytes for block in blocks)
