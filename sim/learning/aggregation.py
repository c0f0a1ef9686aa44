"""Aggregations: how the server folds the members' weights into the next shared weights of a part.

FedAvg takes the mean (McMahan et al., AISTATS 2017, Algorithm 1). The server optimizers of Reddi et al.
(ICLR 2021, Algorithm 2) step along d = mean - w, the mean update, as along a negative gradient; there is
no bias correction. Their moments are states of the run, kept between rounds. They apply to parameters
only: buffers, such as BatchNorm's running statistics, stay a plain mean, and of integers and booleans
the largest is taken.

An aggregation is also a section of a scenario, whose fields are its hyperparameters.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from cutlayer.scenarios.fields import BelowOne, Positive, Section
from cutlayer.sim.learning.digest import Digest, Ingredient, node

if TYPE_CHECKING:
    from torch import Tensor

State = Mapping[str, "Tensor"]


class Shared(NamedTuple):
    """The shared weights of a part, and the moments that its aggregation keeps, by "NAME/MOMENT"."""

    weights: State
    moments: State


class Aggregation(Section):
    """Folds members into the shared weights: takes their weighted mean, and a step of each parameter.

    `moments` names the values per parameter that `step` keeps between rounds. In addition to the mean,
    the server reads and writes `words` values and computes `flops` for each parameter.
    """

    moments: ClassVar[tuple[str, ...]] = ()
    words: ClassVar[int] = 0
    flops: ClassVar[int] = 0

    def fold(
        self, shared: Shared, members: Iterable[tuple[State, float]], parameters: Collection[str]
    ) -> Shared:
        """Return the shared weights after these members, each with its share; the shares sum to 1.

        `parameters` are the names of the weights that are trained; the others are buffers. The shared
        weights and the members are not changed.
        """
        total: dict[str, Tensor] = {}
        for member, share in members:
            self.add(total, member, share)
        return self.close(shared, total, parameters)

    def add(self, total: "dict[str, Tensor]", member: State, share: float) -> None:
        """Add `share` times a member's values to a running mean, in place; integers take the largest."""
        for name, value in member.items():
            if not (value.is_floating_point() or value.is_complex()):
                total[name] = total[name].maximum(value) if name in total else value.clone()
            elif name in total:
                total[name].add_(value, alpha=share)
            else:
                total[name] = value.mul(share)

    def add_difference(
        self, total: "dict[str, Tensor]", value: State, start: State, share: float
    ) -> None:
        """Add `share` times `value - start` to a running mean, in place; integers do not change."""
        for name, current in value.items():
            if current.is_floating_point() or current.is_complex():
                total[name].add_(current - start[name], alpha=share)

    def close(self, shared: Shared, total: State, parameters: Collection[str]) -> Shared:
        """Return the shared weights, given the members' `total`; see `fold`."""
        weights, moments = dict(total), dict(shared.moments)
        for name, mean in total.items():
            if name in parameters and mean.is_floating_point():
                weight, keys = shared.weights[name], [f"{name}/{m}" for m in self.moments]
                before = tuple(moments[key] for key in keys if key in moments)
                weights[name], after = self.step(weight, mean, before or self.initial(weight))
                moments.update(zip(keys, after, strict=True))
        return Shared(weights, moments)

    def initial(self, weight: "Tensor") -> "tuple[Tensor, ...]":
        """Return the first moments of a parameter: zeros."""
        return tuple(weight.new_zeros(()).expand_as(weight) for _ in self.moments)

    def step(
        self, weight: "Tensor", mean: "Tensor", moments: "tuple[Tensor, ...]"
    ) -> "tuple[Tensor, tuple[Tensor, ...]]":
        """Return the next values of a parameter and of its moments, without changing these."""
        del weight
        return mean, moments

    def digest(
        self, part: str, weights: Ingredient, shared: Sequence[Digest], members: Sequence[Digest]
    ) -> Digest:
        """Return the digest of a part's shared weights after a fold.

        `weights` are the members' clients and weights. `shared` are the digests of the weights and, if
        there are any yet, of the moments before.
        """
        settings = [part, weights, self.model_dump(mode="json")]
        return node(type(self).__name__.lower(), [*settings, len(shared)], [*shared, *members])


class FedAvg(Aggregation):
    """The weighted mean of the members."""

    def digest(
        self, part: str, weights: Ingredient, shared: Sequence[Digest], members: Sequence[Digest]
    ) -> Digest:
        """Return the digest of the mean, which does not depend on the weights before."""
        del shared
        return node("average", [part, weights], members)


class FedAvgM(Aggregation):
    """Server momentum (Hsu et al., 2019): m <- momentum m + d, w <- w + lr m."""

    lr: Positive = 1.0
    momentum: BelowOne = 0.9

    moments = ("m",)
    words = 5  # read mean, w, m; write m, w
    flops = 5

    def step(
        self, weight: "Tensor", mean: "Tensor", moments: "tuple[Tensor, ...]"
    ) -> "tuple[Tensor, tuple[Tensor, ...]]":
        """Take the step from the mean, so that `lr` 1 and `momentum` 0 give its bits."""
        update = mean - weight
        m = moments[0] * self.momentum + update if self.momentum else update
        return mean - (update - m * self.lr), (m,)


class _Adaptive(Aggregation):
    """m <- beta1 m + (1 - beta1) d, w <- w + lr m / (sqrt(v) + tau); v begins as tau^2."""

    lr: Positive
    beta1: BelowOne = 0.9
    beta2: BelowOne = 0.99
    tau: Positive = 1e-3

    moments = ("m", "v")

    def initial(self, weight: "Tensor") -> "tuple[Tensor, ...]":
        """Return m = 0 and v = tau^2, the smallest value that the paper allows."""
        m, v = super().initial(weight)
        return m, v + self.tau**2

    def step(
        self, weight: "Tensor", mean: "Tensor", moments: "tuple[Tensor, ...]"
    ) -> "tuple[Tensor, tuple[Tensor, ...]]":
        """Take one step of Algorithm 2."""
        update = mean - weight
        m = moments[0] * self.beta1 + update * (1 - self.beta1)
        v = self.second(moments[1], update.square())
        return weight + m * self.lr / (v.sqrt() + self.tau), (m, v)

    def second(self, v: "Tensor", square: "Tensor") -> "Tensor":
        """Return the next second moment, given the square of the mean update."""
        raise NotImplementedError


class FedAdam(_Adaptive):
    """Adam on the server: v <- beta2 v + (1 - beta2) d^2."""

    words = 7  # read mean, w, m, v; write m, v, w
    flops = 13

    def second(self, v: "Tensor", square: "Tensor") -> "Tensor":
        """Return the moving average of the squares."""
        return v * self.beta2 + square * (1 - self.beta2)


class FedYogi(_Adaptive):
    """Yogi on the server: v <- v - (1 - beta2) d^2 sign(v - d^2)."""

    words = 7
    flops = 15

    def second(self, v: "Tensor", square: "Tensor") -> "Tensor":
        """Return the second moment, moved towards the square by at most a share of it."""
        return v - square * (v - square).sign() * (1 - self.beta2)


FEDAVG = FedAvg()
