"""A measured fingerprint of a device's arithmetic in this process: a hash of a few kernels' results.

A kernel's instructions, and so its order of additions, depend on the processor, on torch's build and on
environment variables (ONEDNN_MAX_CPU_ISA, ATEN_CPU_CAPABILITY, MKL_CBWR, ...), which cannot all be
listed. Small forward passes, backward passes and optimizer steps of all layer types are therefore
computed and hashed. If the bits of a training would differ, some of these bits differ too. The sizes are
those of small batches, so a setting that only affects larger tensors can go unnoticed.
"""

import hashlib
from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from cutlayer.scenarios.numerics import DEFAULT, Numerics
from cutlayer.sim.learning.accelerator import CPU
from cutlayer.sim.learning.precision import ordered, stored_type

# batch, channels in and out, side of the map, side of the kernel, groups
CONVOLUTIONS = (
    (10, 3, 32, 32, 3, 1),
    (4, 32, 64, 16, 3, 1),
    (3, 1, 6, 28, 5, 1),
    (4, 24, 24, 7, 3, 24),
    (4, 40, 16, 6, 1, 1),
    (50, 3, 16, 32, 3, 1),
    (10, 64, 64, 16, 3, 1),
)
LAYERS = ((10, 2048, 64), (7, 64, 10), (33, 129, 65), (100, 512, 128))  # batch, features in and out
LENGTHS = (7, 1000, 4097, 60_000)


def fingerprint(device: torch.device = CPU, numerics: Numerics = DEFAULT) -> str:
    """Return the fingerprint of a device, for the current number of threads and oneDNN switch."""
    return _fingerprint(torch.get_num_threads(), torch.backends.mkldnn.enabled, device, numerics)


@cache
def _fingerprint(threads: int, onednn: bool, device: torch.device, numerics: Numerics) -> str:
    del threads, onednn  # part of the cache key: the results depend on them
    digest = hashlib.blake2b(digest_size=16)
    mixed = numerics.dtype == "bfloat16"
    with torch.enable_grad(), torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        for value in _results(device, numerics):
            digest.update(str(tuple(value.shape)).encode())
            digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _results(device: torch.device, numerics: Numerics) -> Iterator[Tensor]:
    draw, dtype = torch.Generator().manual_seed(20), stored_type(numerics)

    def random(*shape: int, scale: float = 1.0) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=dtype).to(device) * scale

    for batch, inputs, outputs, side, kernel, groups in CONVOLUTIONS:
        fan = inputs // groups * kernel**2
        image = random(batch, inputs, side, side)
        weight = random(outputs, inputs // groups, kernel, kernel, scale=fan**-0.5)
        scale, shift = random(outputs, scale=0.1) + 1, random(outputs, scale=0.1)
        image, weight = ordered(image, numerics), ordered(weight, numerics)
        yield from _convolution(image, weight, scale, shift, groups)
    for batch, inputs, outputs in LAYERS:
        yield from _layer(random(batch, inputs), random(outputs, inputs, scale=inputs**-0.5))
    yield from _attention(random(3, 17, 32), random(96, 32, scale=0.2))
    for length in LENGTHS:
        values = random(length)
        yield from (values.sum(), values.mean(), values.std(), values.exp().sum(), values @ values)
    smallest = torch.full((8,), torch.finfo(dtype).smallest_normal, dtype=dtype, device=device)
    yield smallest / 3  # 0 if denormal numbers are flushed


def _convolution(
    image: Tensor, weight: Tensor, scale: Tensor, shift: Tensor, groups: int
) -> Iterator[Tensor]:
    """Yield the results of one training step of a convolution block."""
    leaves = [value.requires_grad_() for value in (image, weight, scale, shift)]
    middle = functional.conv2d(image, weight, padding=weight.shape[-1] // 2, groups=groups)
    middle = functional.batch_norm(middle, None, None, scale, shift, training=True)
    middle = functional.max_pool2d(functional.relu(middle), 2)
    middle = functional.hardswish(functional.avg_pool2d(middle, 2, ceil_mode=True))
    logits = functional.adaptive_avg_pool2d(middle, 1).flatten(1)
    yield logits
    labels = torch.arange(len(image), device=image.device) % len(weight)
    yield from _step(functional.cross_entropy(logits, labels), leaves)


def _layer(values: Tensor, weight: Tensor) -> Iterator[Tensor]:
    """Yield the results of one step of a linear layer on labels and on a teacher's logits."""
    batch, outputs = len(values), len(weight)
    bias = torch.linspace(-1, 1, outputs, dtype=values.dtype).to(values.device)
    leaves = [value.requires_grad_() for value in (values, weight, bias)]
    logits = functional.linear(values, weight, bias)
    soft = functional.log_softmax(logits / 3, dim=1)
    teacher = functional.softmax(logits.detach().flip(1) / 3, dim=1)
    distillation = functional.kl_div(soft, teacher, reduction="batchmean")
    labels = torch.arange(batch, device=values.device) % outputs
    loss = functional.cross_entropy(logits, labels) + distillation
    yield logits
    yield from _step(loss, leaves)


def _attention(tokens: Tensor, weight: Tensor) -> Iterator[Tensor]:
    """Yield the results of one training step of an attention layer."""
    leaves = [value.requires_grad_() for value in (tokens, weight)]
    ready = functional.layer_norm(tokens, tokens.shape[-1:])
    query, key, value = functional.linear(ready, weight).chunk(3, dim=-1)
    mixed = functional.scaled_dot_product_attention(query, key, value)
    mixed = functional.gelu(mixed) + torch.tanh(torch.sigmoid(mixed))
    yield mixed
    yield from _step(mixed.square().mean(), leaves)


def _step(loss: Tensor, leaves: list[Tensor]) -> Iterator[Tensor]:
    """Yield the loss, the gradients, and the results of SGD's and Adam's arithmetic.

    Written out, since torch's optimizers import a compiler, which takes much longer.
    """
    torch.autograd.backward(loss)
    yield loss.detach()
    for leaf in leaves:
        value, gradient = leaf.detach(), leaf.grad
        assert gradient is not None
        decayed = gradient.add(value, alpha=5e-4)
        mean = torch.zeros_like(value).lerp(decayed, 0.1)
        square = value.square().mul(0.999).addcmul(gradient, gradient, value=0.001)
        yield gradient
        yield value.add(decayed.add(mean, alpha=0.9), alpha=-0.05)
        yield value.addcdiv(mean, square.sqrt().add(1e-8), value=-0.001)
