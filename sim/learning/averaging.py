"""Federated averaging (FedAvg; McMahan et al., AISTATS 2017, Algorithm 1) of members' weights."""

import torch
from torch import Tensor

from cutlayer.sim.learning.replica import State


def accumulate(total: dict[str, Tensor], member: State, share: float) -> None:
    """Add `share` times a member's weights and floating-point buffers to a running average, in place.

    Integers and booleans, such as BatchNorm's count of batches, become the largest of the members'.
    """
    for name, value in member.items():
        if not (value.is_floating_point() or value.is_complex()):
            total[name] = torch.maximum(total[name], value) if name in total else value
        elif name in total:
            total[name].add_(value, alpha=share)
        else:
            total[name] = value.mul_(share)
