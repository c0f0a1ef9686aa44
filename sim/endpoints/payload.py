"""Payloads: the tensors of a message, from which its bytes follow.

An operation returns a payload with the shapes of its result; `send` needs nothing else. The
framing of a message is a documented constant: the bytes that the public EcoFed code (github
blessonvar/EcoFed, commit bb1c516: Python objects pickled over TCP sockets) adds to its tensors. The
constants are derived from the sizes of its messages, not fitted to any ratio. TCP/IP headers belong to
the transport and are not included in any byte count.

Without tensors, equal payloads are one object, which saves time for each batch.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import prod
from typing import Final, NamedTuple

from cutlayer.models.quantise_cost import packed_bytes
from cutlayer.sim.codecs.codecs import Coding
from cutlayer.sim.learning.chain import Carrier, TensorRef
from cutlayer.sim.log.intervals import Activity
from cutlayer.sim.log.traffic import LABELS, LOGITS, Parts

LABEL_BYTES: Final = 8  # int64, as class labels are in torch

# Bytes beyond the tensors and labels, per message (EcoFed, bb1c516).
ACTIVATION_FRAMING: Final = 755
GRADIENT_FRAMING: Final = 491
QUANTISED_FRAMING: Final = 820  # with the scale and zero point of the tensor
SCALE_FRAMING: Final = QUANTISED_FRAMING - ACTIVATION_FRAMING  # of a quantised tensor
LOGITS_FRAMING: Final = 224  # a second tensor in a message
CONTROL_BYTES: Final = 104  # a message without tensors: one per batch of a replay round
STATE_FRAMING: Final = 163  # a state dict of any size
TENSOR_FRAMING: Final = 315  # each tensor in a state dict

Shape = tuple[int, ...]


class TensorSpec(NamedTuple):
    """A tensor of a payload: its shape, its bits per value, and its category if that is its own."""

    shape: Shape
    bits: int = 32
    category: str = ""

    @property
    def bytes(self) -> int:
        """Its size, packed and rounded up to whole bytes."""
        return packed_bytes(prod(self.shape), self.bits)


@dataclass(frozen=True, slots=True)
class Payload(Carrier):
    """The parts of a message: tensors, bytes of `framing`, and a reference to their `content`.

    `payload_bytes` are those of the tensors, `wire_bytes` include the framing. `parts` has the
    categories and bytes of the tensors that have a category of their own, such as labels. `bits` are
    those of a value if the payload is quantised, else None. `coding` is that of a payload that a codec
    has encoded.
    """

    activity: Activity
    tensors: tuple[TensorSpec, ...]
    framing: int
    content: TensorRef | None = field(default=None, compare=False)
    coding: Coding | None = field(default=None, compare=False)
    payload_bytes: int = field(init=False, compare=False)
    wire_bytes: int = field(init=False, compare=False)
    parts: Parts = field(init=False, compare=False)
    bits: int | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        size = sum(tensor.bytes for tensor in self.tensors)
        parts = tuple((tensor.category, tensor.bytes) for tensor in self.tensors if tensor.category)
        object.__setattr__(self, "payload_bytes", size)
        object.__setattr__(self, "wire_bytes", size + self.framing)
        object.__setattr__(self, "parts", parts)
        bits = self.tensors[0].bits if self.tensors else 32
        quantised = bits < 32 and self.coding is None
        object.__setattr__(self, "bits", bits if quantised else None)

    def holding(self, content: TensorRef | None) -> "Payload":
        """Return a payload of the same tensors that refers to the result of an operation."""
        return self if content is None else replace(self, content=content)


@lru_cache
def with_framing(payload: Payload, factor: float) -> Payload:
    """Return the same tensors in `factor` times the framing, rounded to whole bytes; no content."""
    return Payload(payload.activity, payload.tensors, round(factor * payload.framing))


@lru_cache
def encoded(payload: Payload, coding: Coding) -> Payload:
    """Return a payload whose tensors, apart from those with a category, are encoded; no content."""
    tensors = [TensorSpec((part.values,), part.bits) for part in coding.fields]
    others = [tensor for tensor in payload.tensors if tensor.category]
    added = len(tensors) - (len(payload.tensors) - len(others))
    framing = payload.framing + LOGITS_FRAMING * added + SCALE_FRAMING * coding.scales
    return Payload(payload.activity, (*tensors, *others), framing, coding=coding)


@lru_cache
def weights(parameters: int, tensors: int, buffer_bytes: int = 0) -> Payload:
    """Return a state dict of `tensors` tensors: fp32 parameters, and buffers."""
    contents = TensorSpec((parameters,)), TensorSpec((buffer_bytes,), 8)
    return Payload(Activity.WEIGHTS, contents, STATE_FRAMING + TENSOR_FRAMING * tensors)


@lru_cache
def frozen_weights(size: int, tensors: int) -> Payload:
    """Return a state dict of `tensors` tensors of `size` bytes that are not trained."""
    framing = STATE_FRAMING + TENSOR_FRAMING * tensors
    return Payload(Activity.WEIGHTS, (TensorSpec((size,), 8),), framing)


@lru_cache
def encoded_weights(payload: Payload, coding: Coding) -> Payload:
    """Return a state dict whose parameters are encoded, and its buffers are not."""
    (parameters,), (_, buffers) = coding.fields, payload.tensors
    tensors = TensorSpec((parameters.values,), parameters.bits), buffers
    framing = payload.framing + SCALE_FRAMING * coding.scales
    return Payload(payload.activity, tensors, framing, coding=coding)


CLASS_LABEL: Final = TensorSpec((), 8 * LABEL_BYTES, LABELS)  # of one sample


def label_of(values: int, bytes_: int) -> TensorSpec:
    """Return the label of a sample, which has a number of values and bytes."""
    label = TensorSpec((values,), 8 * bytes_ // values, LABELS)
    return CLASS_LABEL if label.bytes == CLASS_LABEL.bytes and values == 1 else label


@lru_cache
def activation(
    shape: Shape | tuple[Shape, ...],
    batch_size: int,
    bits: int | None = None,
    label: TensorSpec = CLASS_LABEL,
) -> Payload:
    """Return the activation of one batch (`shape` per sample) and its labels, each as `label`.

    With `bits` the activation is quantised and packed; otherwise it is fp32. A cut that several tensors
    cross has several shapes.
    """
    values = _of_batch(shape, batch_size, 32 if bits is None else bits)
    framing = ACTIVATION_FRAMING if bits is None else QUANTISED_FRAMING
    further = LOGITS_FRAMING * (len(values) - 1)
    return Payload(Activity.ACTIVATION, (*values, _labels(batch_size, label)), framing + further)


@lru_cache
def gradient(shape: Shape | tuple[Shape, ...], batch_size: int) -> Payload:
    """Return the gradient with respect to the activation of one batch (fp32)."""
    values = _of_batch(shape, batch_size, 32)
    further = LOGITS_FRAMING * (len(values) - 1)
    return Payload(Activity.GRADIENT, values, GRADIENT_FRAMING + further)


@lru_cache
def activation_and_logits(shape: Shape, batch_size: int, classes: int) -> Payload:
    """Return FedGKT's upload: activation, labels and the device's logits of one batch (fp32)."""
    plain = activation(shape, batch_size)
    added = TensorSpec((batch_size, classes), category=LOGITS)
    return Payload(Activity.ACTIVATION, (*plain.tensors, added), plain.framing + LOGITS_FRAMING)


@lru_cache
def logits(batch_size: int, classes: int) -> Payload:
    """Return FedGKT's download: the server's logits of one batch (fp32)."""
    return Payload(Activity.LOGITS, (TensorSpec((batch_size, classes)),), GRADIENT_FRAMING)


@lru_cache
def control() -> Payload:
    """Return a message without tensors, such as EcoFed's devices send for each replayed batch."""
    return Payload(Activity.CONTROL, (), CONTROL_BYTES)


def images(
    input_shape: Shape, samples: int, label: TensorSpec = CLASS_LABEL, tokens: bool = False
) -> Payload:
    """Return raw inputs and labels, which a centralised baseline collects.

    Images have 8 bits per value; rows of features are fp32, tokens int64.
    """
    bits = 64 if tokens else 8 if len(input_shape) == 3 else 32
    values = TensorSpec((samples, *input_shape), bits)
    return Payload(Activity.IMAGES, (values, _labels(samples, label)), ACTIVATION_FRAMING)


def _of_batch(
    shape: Shape | tuple[Shape, ...], batch_size: int, bits: int
) -> tuple[TensorSpec, ...]:
    shapes = [one for one in shape if isinstance(one, tuple)]
    one_shape = tuple(extent for extent in shape if isinstance(extent, int))
    return tuple(TensorSpec((batch_size, *s), bits) for s in shapes or [one_shape])


def _labels(samples: int, label: TensorSpec) -> TensorSpec:
    return label._replace(shape=(samples, *label.shape))
