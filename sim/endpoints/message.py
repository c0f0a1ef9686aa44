"""Messages and their sizes: the bytes of the tensors (payload) and the bytes that are sent (wire).

The framing of a message is a documented constant: the bytes that the public EcoFed code
(github blessonvar/EcoFed, commit bb1c516: Python objects pickled over TCP sockets) adds to its
tensors. The constants are derived from the sizes of its messages, not fitted to any ratio.
TCP/IP headers belong to the transport and are not included in any byte count.

Equal messages are one object, so that a batch does not cost the time to make one.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Final

from cutlayer.models.block_cost import FLOAT_BYTES
from cutlayer.models.quantise_cost import packed_bytes
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.log.traffic import LABELS, LOGITS, Parts

LABEL_BYTES: Final = 8  # int64, as class labels are in torch

# Bytes beyond the tensors and labels, per message (EcoFed, bb1c516).
ACTIVATION_FRAMING: Final = 755
GRADIENT_FRAMING: Final = 491
QUANTISED_FRAMING: Final = 820  # with the scale and zero point of the tensor
LOGITS_FRAMING: Final = 224  # a second tensor in a message
CONTROL_BYTES: Final = 104  # a message without tensors: one per batch of a replay round
STATE_FRAMING: Final = 163  # a state dict of any size
TENSOR_FRAMING: Final = 315  # each tensor in a state dict


@dataclass(frozen=True, slots=True)
class Message:
    """A message: `payload_bytes` of tensors and labels, `wire_bytes` with the framing.

    `parts` are the categories and bytes of what its payload contains beside its main part.
    """

    activity: Activity
    payload_bytes: int
    wire_bytes: int
    parts: Parts = ()


def with_framing(message: Message, factor: float) -> Message:
    """Return a message with `factor` times the bytes beyond its payload, rounded to whole bytes."""
    beyond = message.wire_bytes - message.payload_bytes
    return replace(message, wire_bytes=message.payload_bytes + round(factor * beyond))


@lru_cache
def weights(parameters: int, tensors: int, buffer_bytes: int = 0) -> Message:
    """Return a message with a state dict of `tensors` tensors: fp32 parameters, and buffers."""
    payload = FLOAT_BYTES * parameters + buffer_bytes
    return Message(Activity.WEIGHTS, payload, payload + STATE_FRAMING + TENSOR_FRAMING * tensors)


@lru_cache
def activation(shape: tuple[int, ...], batch_size: int, bits: int | None = None) -> Message:
    """Return a message with the activation of one batch (`shape` per sample) and its labels.

    With `bits` the activation is quantised and packed; otherwise it is fp32.
    """
    values = prod(shape) * batch_size
    tensor = FLOAT_BYTES * values if bits is None else packed_bytes(values, bits)
    labels = LABEL_BYTES * batch_size
    payload = tensor + labels
    framing = ACTIVATION_FRAMING if bits is None else QUANTISED_FRAMING
    return Message(Activity.ACTIVATION, payload, payload + framing, ((LABELS, labels),))


@lru_cache
def gradient(shape: tuple[int, ...], batch_size: int) -> Message:
    """Return a message with the gradient with respect to the activation of one batch (fp32)."""
    payload = FLOAT_BYTES * prod(shape) * batch_size
    return Message(Activity.GRADIENT, payload, payload + GRADIENT_FRAMING)


@lru_cache
def activation_and_logits(shape: tuple[int, ...], batch_size: int, classes: int) -> Message:
    """Return FedGKT's upload: activation, labels and the device's logits of one batch (fp32)."""
    plain = activation(shape, batch_size)
    extra = FLOAT_BYTES * classes * batch_size
    return Message(
        Activity.ACTIVATION,
        plain.payload_bytes + extra,
        plain.wire_bytes + extra + LOGITS_FRAMING,
        (*plain.parts, (LOGITS, extra)),
    )


@lru_cache
def logits(batch_size: int, classes: int) -> Message:
    """Return FedGKT's download: the server's logits of one batch (fp32)."""
    payload = FLOAT_BYTES * classes * batch_size
    return Message(Activity.LOGITS, payload, payload + GRADIENT_FRAMING)


@lru_cache
def control() -> Message:
    """Return a message without tensors, such as EcoFed's devices send for each replayed batch."""
    return Message(Activity.CONTROL, 0, CONTROL_BYTES)


def images(input_shape: tuple[int, ...], samples: int) -> Message:
    """Return a message with raw inputs and labels, which a centralised baseline collects.

    Images have 8 bits per value; rows of features are fp32.
    """
    value_bytes = 1 if len(input_shape) == 3 else FLOAT_BYTES
    labels = LABEL_BYTES * samples
    payload = value_bytes * prod(input_shape) * samples + labels
    return Message(Activity.IMAGES, payload, payload + ACTIVATION_FRAMING, ((LABELS, labels),))
