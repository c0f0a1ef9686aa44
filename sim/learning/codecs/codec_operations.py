"""The operations of codecs on tensors; they run within the chain of the client whose message it is.

Sender and receiver have the same values after a message, and the values that both keep are equal. One
operation therefore encodes and decodes, and one state holds what is kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor

from cutlayer.sim.codecs.codecs import Direction
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.codecs.integers import Int
from cutlayer.sim.learning.codecs.plain import Bf16, Fp16, Identity
from cutlayer.sim.learning.codecs.product_quantisation import ProductQuantisation
from cutlayer.sim.learning.codecs.residuals import AqSgd, LowRank
from cutlayer.sim.learning.codecs.sparse import Kept, RandTopK, TopK
from cutlayer.sim.learning.codecs.splitcom import SplitCom
from cutlayer.sim.learning.codecs.twin import Twin
from cutlayer.sim.learning.state_key import StateKey

TWINS: Final[Mapping[str, type[Twin]]] = {
    "identity": Identity,
    "fp16": Fp16,
    "bf16": Bf16,
    "int": Int,
    "top_k": TopK,
    "rand_top_k": RandTopK,
    "kept": Kept,
    "aq_sgd": AqSgd,
    "low_rank": LowRank,
    "product_quantisation": ProductQuantisation,
    "splitcom": SplitCom,
}
FOR_GRADIENT: Final = "codec"  # the key in `ChainRun.kept`: masks and corrections by batch number


def transmit(
    run: ChainRun,
    direction: Direction,
    spec: Mapping[str, Any],
    key: StateKey | None,
    client: int,
    batch: Batch,
    full: bool,
    value: Any,
) -> Any:
    """Return what the receiver has of an upload or a gradient.

    `value` is the tensor to be encoded, None, or a tuple of which it is the first. `key` is the state
    with what is kept of the client's samples; with `full` the tensor is sent as it is. What `adjust`
    needs is kept for uploads only.
    """
    sent, *others = value if isinstance(value, tuple) else (value,)
    if sent is None:
        return value
    twin = TWINS[spec["name"]](spec)
    received = _received(run, direction, twin, key, client, batch, full, sent)
    return (received, *others) if isinstance(value, tuple) else received


def transmit_shared(run: ChainRun, spec: Mapping[str, Any], rows: int, *values: Tensor) -> Any:  # noqa: ARG001
    """Return what receivers have of their values, whose first `rows` rows come in one message for all.

    These rows are equal; a receiver with fewer has the first of them. The others come in a message for
    each receiver. For codecs that keep nothing.
    """
    twin = TWINS[spec["name"]](spec)
    longest = max(values, key=len)[:rows]
    shared = _decoded(twin, longest) if rows else longest
    received = []
    for value in values:
        parts = [shared[: len(value)]]
        if len(value) > rows:
            parts.append(_decoded(twin, value[rows:]))
        received.append(torch.empty_like(value).copy_(torch.cat(parts)))
    return received if len(received) > 1 else received[0]


def transmit_weights(
    run: ChainRun, spec: Mapping[str, Any], parts: Sequence[str], frozen: bool
) -> None:
    """Set the parameters of parts to what their receiver has: each tensor is encoded for itself.

    A chain sends only what it then uses or has trained, so that this is the state of both ends. A frozen
    part is not used in a round that replays activations.
    """
    twin = TWINS[spec["name"]](spec)
    used = {key.part for key in run.chain.reads}
    for part in parts if not frozen else used.intersection(parts):
        module = run.frozen(part) if frozen else run.replica(part).module
        unsent = run.workspace.local_names(part, run.chain.cut) | run.workspace.frozen.keys()
        for name, parameter in module.named_parameters():
            if name in unsent:
                continue
            parameter.data.copy_(_decoded(twin, parameter.data))


def decoded_weights(spec: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors as their receiver has them; for parameters."""
    twin = TWINS[spec["name"]](spec)
    return {name: _decoded(twin, value) for name, value in weights.items()}


def _decoded(twin: Twin, sent: Tensor) -> Tensor:
    values = sent.detach().to(torch.float32).contiguous()
    return twin.decode(twin.encode(values, None), None, values.shape).to(sent.dtype)


def _received(
    run: ChainRun,
    direction: Direction,
    twin: Twin,
    key: StateKey | None,
    client: int,
    batch: Batch,
    full: bool,
    sent: Tensor,
) -> Tensor:
    values = sent.detach().to(torch.float32).contiguous()
    before = table = None
    if key is not None:
        table, samples = run.table(key, client, values[0].numel()), run.samples(client, batch)
        before = table[samples].to(values.device, values.dtype).reshape(values.shape)
    if full and twin.spec["name"] != "kept":
        decoded = values
    else:
        parts = twin.encode(values, before)
        decoded = twin.decode(parts, before, values.shape)
        if direction == "up":
            mask = twin.mask(parts, values.shape)
            _keep_for_gradient(run, batch, twin, mask, values - decoded)
    if table is not None:
        kept = decoded if full else twin.keep(values, before, decoded)
        table[samples] = kept.flatten(1).to(table.device, table.dtype)
    return torch.empty_like(sent).copy_(decoded)


def _keep_for_gradient(
    run: ChainRun, batch: Batch, twin: Twin, mask: Tensor | None, error: Tensor
) -> None:
    """Keep what `adjust` needs, if the device waits for the gradient of the batch."""
    device = run.replicas.get("device")
    correction = twin.spec.get("correction", 0.0)
    if device is None or batch.number not in device.pending:
        return
    if mask is not None:
        run.kept.setdefault(FOR_GRADIENT, {})[batch.number] = mask.contiguous()
    elif correction:
        term = correction / len(error) * error
        run.kept.setdefault(FOR_GRADIENT, {})[batch.number] = term


def adjust(run: ChainRun, batch: Batch, gradient: Tensor | None) -> Tensor | None:
    """Return the gradient of the values that were sent, or with the term for their error."""
    kept: Tensor | None = run.kept.get(FOR_GRADIENT, {}).pop(batch.number, None)
    if kept is None or gradient is None:
        return gradient
    return gradient * kept if kept.dtype == torch.bool else gradient + kept.to(gradient.dtype)
