"""The partition of the training samples among the clients."""

from typing import Annotated, Self

from pydantic import model_validator

from cutlayer.scenarios.fields import Count, Positive, Section, Switch, Text, Whole, rule
from cutlayer.scenarios.unions import OneOf, either, is_list

OneOrMany = Annotated[Count | tuple[Count, ...], either(Count, tuple[Count, ...], is_list)]


class Iid(Section):
    """Equal shares of all samples in random order."""


class Shards(Section):
    """Samples sorted by class and cut into shards of `size`; each client gets `per_client` shards.

    Without a `size`, there are clients x `per_client` shards of equal size.
    """

    per_client: Count
    size: Count | None = None


class Dirichlet(Section):
    """Class shares of each client drawn from a Dirichlet distribution; a small `alpha` is skewed."""

    shorthand = "alpha"
    alpha: Positive
    min_samples: Whole = 1


class Sizes(Section):
    """IID shards of given sizes: one size for all clients, or a list with one for each."""

    shorthand = "samples"
    samples: OneOrMany


class GivenSplit(Section):
    """Which client holds which samples, from a file; with `overlap`, several may hold a sample."""

    shorthand = "path"
    path: Text
    overlap: Switch = False


class ByUser(Section):
    """Every client holds the samples of one user of the data set."""


class ByColumn(Section):
    """Every client holds the samples with one value of a column of the data set's table."""

    shorthand = "column"
    column: Text


class Quantity(Section):
    """IID shards of unequal sizes, which are drawn from a Dirichlet or a log-normal distribution.

    `dirichlet` is the alpha of the shares of all clients, `lognormal` the sigma of the logarithm of a
    client's size.
    """

    dirichlet: Positive | None = None
    lognormal: Positive | None = None
    min_samples: Whole = 1

    @model_validator(mode="after")
    def _one_distribution(self) -> Self:
        if (self.dirichlet is None) == (self.lognormal is None):
            raise rule("must have either dirichlet or lognormal")
        return self


Partition = Annotated[
    Iid | Shards | Dirichlet | Sizes | Quantity | GivenSplit | ByUser | ByColumn,
    OneOf(
        iid=Iid,
        shards=Shards,
        dirichlet=Dirichlet,
        sizes=Sizes,
        quantity=Quantity,
        file=GivenSplit,
        users=ByUser,
        by=ByColumn,
    ),
]
