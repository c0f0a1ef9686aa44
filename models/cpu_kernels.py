"""Kernels of a CPU on `meta`: layers run the operations there that PyTorch runs on a CPU.

On `meta`, PyTorch would decompose attention into products and a softmax, and an LSTM into the arithmetic
of each time step. On a CPU it calls one kernel for each (flash attention; oneDNN's LSTM), which costs
other bytes and saves other tensors for the backward pass. GRUs and simple RNNs have no such kernel, but
multiply the inputs of all time steps by their weights at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend
from torch.overrides import TorchFunctionMode

aten = torch.ops.aten

_ATTENTION: Final[Callable[..., Tensor]] = functional.scaled_dot_product_attention
_LSTM: Final[Callable[..., Any]] = torch.lstm
_LSTM_MODE: Final = 2  # torch's number of this type of recurrent layer
# For the backward pass, oneDNN keeps gates, states and copies of them, padded for the instruction set:
# 15.3 to 15.9 values per step, sample and unit for 64 and 128 units (torch 2.13, x86).
_WORKSPACE_VALUES: Final = 16


@contextmanager
def cpu_kernels() -> Iterator[None]:
    """Run attention and recurrent layers on `meta` as on a CPU; other devices are not affected.

    The function's name in `torch.nn.functional` is replaced for `nn.MultiheadAttention`, which calls it
    where a function mode is not active.
    """
    before = functional.scaled_dot_product_attention
    functional.scaled_dot_product_attention = _attention  # type: ignore[assignment]
    try:
        with _Kernels():
            yield
    finally:
        functional.scaled_dot_product_attention = before


def lstm_workspace_bytes(steps: int, batch: int, hidden: int) -> int:
    """Return about how many bytes oneDNN keeps of an LSTM layer for its backward pass."""
    return 4 * _WORKSPACE_VALUES * steps * batch * hidden


class _Kernels(TorchFunctionMode):
    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if func is _ATTENTION:
            func = _attention
        elif func is _LSTM:
            func = _lstm
        elif func in _STEPS:
            func = partial(_stepwise, func)
        return func(*args, **(kwargs or {}))


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **options: Any,
) -> Tensor:
    tensors = (query, key, value)
    if not (query.is_meta and _is_flash(tensors, attn_mask, dropout_p, is_causal, options)):
        return _ATTENTION(*tensors, attn_mask, dropout_p, is_causal, **options)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        zeros = torch.zeros((), dtype=query.dtype, device="meta")
        attn_mask = torch.where(attn_mask, zeros, -inf)
    output: Tensor = aten._scaled_dot_product_flash_attention_for_cpu(
        *tensors, dropout_p, is_causal, attn_mask=attn_mask, scale=options.get("scale")
    )[0]
    return output


def _is_flash(
    tensors: Sequence[Tensor],
    mask: Tensor | None,
    dropout: float,
    causal: bool,
    options: dict[str, Any],
) -> bool:
    """Return whether PyTorch would choose flash attention for a single sample on a CPU."""
    batch = tensors[0].shape[0]
    of_mask = None if mask is None else _one_sample(mask, batch)
    query, key, value = (_one_sample(tensor, batch) for tensor in tensors)
    chosen = torch._fused_sdp_choice(query, key, value, of_mask, dropout, causal, **options)
    return bool(chosen == SDPBackend.FLASH_ATTENTION.value)


def _one_sample(tensor: Tensor, batch: int) -> Tensor:
    """Return an uninitialised tensor on the CPU like a batch's first sample."""
    shape = list(tensor.shape)
    if shape and shape[0] == batch:
        shape[0] = 1
    sample = torch.empty_strided(shape, tensor.stride(), dtype=tensor.dtype, device="cpu")
    return sample.requires_grad_(tensor.requires_grad)


def _lstm(*args: Any, **kwargs: Any) -> Any:
    if len(args) != 9 or kwargs or not _is_one_kernel(*args[:2]):
        return _LSTM(*args, **kwargs)
    _, start, weights, biases, layers, _, train, bidirectional, batch_first = args

    def direction(x: Tensor, at: int, reverse: bool, parameters: Sequence[Tensor]) -> Any:
        of_inputs, of_state, *bias = parameters
        bias = bias if biases else [of_inputs.new_zeros(len(of_inputs))] * 2
        return aten.mkldnn_rnn_layer(
            *(x, of_inputs, of_state, *bias, start[0][at], start[1][at], reverse, []),
            *(_LSTM_MODE, start[0].shape[-1], layers, biases, bidirectional, False, train),
        )[:3]

    x = args[0].transpose(0, 1) if batch_first else args[0]
    x, (hidden_states, cell_states) = _layers(x.contiguous(), weights, args, direction)
    return x, torch.stack(hidden_states), torch.stack(cell_states)


def _stepwise(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Run GRUs and simple RNNs: the product with the inputs once for all steps, the rest by step."""
    if len(args) != 9 or kwargs or not (args[0].is_meta and isinstance(args[2], list | tuple)):
        return func(*args, **kwargs)
    x, start, weights, biases, *_, batch_first = args
    starts, step = start.unbind(0), _STEPS[func]

    def direction(x: Tensor, at: int, reverse: bool, parameters: Sequence[Tensor]) -> Any:
        of_inputs, of_state, *bias = parameters
        bias_of_inputs, bias_of_state = bias if biases else (None, None)
        state, states = starts[at], []
        gates = functional.linear(x, of_inputs, bias_of_inputs).unbind(0)
        for of_step in reversed(gates) if reverse else gates:
            state = step(of_step, functional.linear(state, of_state, bias_of_state), state)
            states.append(state)
        return torch.stack(states[::-1] if reverse else states), state

    x, (hidden_states,) = _layers(x.transpose(0, 1) if batch_first else x, weights, args, direction)
    return x, torch.stack(hidden_states)


def _gru_step(of_input: Tensor, of_state: Tensor, state: Tensor) -> Tensor:
    """Return the next state, from the products of weights with the input and with the state."""
    inputs, states = torch.unsafe_chunk(of_input, 3, 1), torch.unsafe_chunk(of_state, 3, 1)
    reset = states[0].add_(inputs[0]).sigmoid_()
    update = states[1].add_(inputs[1]).sigmoid_()
    new = inputs[2].add(states[2].mul_(reset)).tanh_()
    return (state - new).mul_(update).add_(new)


_STEPS: Final[Mapping[Callable[..., Any], Callable[[Tensor, Tensor, Tensor], Tensor]]] = {
    torch.gru: _gru_step,
    torch.rnn_tanh: lambda of_input, of_state, _: of_state.add_(of_input).tanh(),
    torch.rnn_relu: lambda of_input, of_state, _: of_state.add_(of_input).relu(),
}


def _layers(
    x: Tensor, weights: Sequence[Tensor], args: Sequence[Any], direction: Callable[..., Any]
) -> tuple[Tensor, list[list[Tensor]]]:
    """Return the output of layers, and the last states of each by their kind.

    `direction` runs one direction of a layer, and returns its output and its last states.
    """
    layers, dropout, train, bidirectional, batch_first = args[4:]
    directions = 1 + bidirectional
    each = len(weights) // (layers * directions)
    last: list[tuple[Tensor, ...]] = []
    for layer in range(layers):
        outputs = []
        for reverse in range(directions):
            at = layer * directions + reverse
            output, *states = direction(x, at, bool(reverse), weights[each * at : each * (at + 1)])
            outputs.append(output)
            last.append(tuple(states))
        x = torch.cat(outputs, -1) if bidirectional else outputs[0]
        if dropout and train and layer < layers - 1:
            x = torch.dropout(x, dropout, train)
    by_kind = [list(states) for states in zip(*last, strict=True)]
    return x.transpose(0, 1) if batch_first else x, by_kind


def _is_one_kernel(x: Tensor, start: Any) -> bool:
    """Return whether oneDNN computes an LSTM: float32, no packed sequences, no projections."""
    return bool(
        x.is_meta
        and x.dtype == torch.float32
        and isinstance(start, tuple | list)
        and start[0].shape == start[1].shape
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )
