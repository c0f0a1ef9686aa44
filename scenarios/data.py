"""The `data` section: the data set, its partition among the clients, and its augmentation."""

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cutlayer.scenarios.fields import (
    Count,
    DatasetName,
    Positive,
    Section,
    Switch,
    Text,
    Whole,
    not_empty,
    rule,
)
from cutlayer.scenarios.unions import OneOf, either, is_list, is_mapping

TestShare = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]
OneOrMany = Annotated[Count | tuple[Count, ...], either(Count, tuple[Count, ...], is_list)]


MAX_VALUES: Final = 100_000_000  # in one sample
MAX_CLASSES: Final = 1_000_000

Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def _of_possible_size(shape: tuple[int, ...]) -> tuple[int, ...]:
    if prod(shape) > MAX_VALUES:
        raise rule(f"must be a shape of at most {MAX_VALUES:,} numbers")
    return shape


Shape = Annotated[tuple[Count, ...], not_empty, AfterValidator(_of_possible_size)]
Classes = Annotated[int, Field(strict=True, ge=1, le=MAX_CLASSES)]


def _increases(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] >= bounds[1]:
        raise rule("must be a smaller and a larger number")
    return bounds


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


Partition = Annotated[
    Iid | Shards | Dirichlet | Sizes | GivenSplit | ByUser,
    OneOf(iid=Iid, shards=Shards, dirichlet=Dirichlet, sizes=Sizes, file=GivenSplit, users=ByUser),
]


class Leaf(Section):
    """A data set in the format of LEAF: a file, or a folder of files, for training and for test data.

    `value_range` has the numbers that are mapped to 0 and 1.
    """

    shorthand = "train"
    train: Text
    test: Text | None = None
    input_shape: Shape | None = None
    classes: Classes | None = None
    value_range: Annotated[tuple[Finite, Finite], AfterValidator(_increases)] | None = None


class Declared(Section):
    """A data set without samples, for runs without training, with equal classes."""

    input_shape: Shape
    classes: Classes
    train_samples: Count
    test_samples: Whole = 0


DescribedDataset = Annotated[Leaf | Declared, OneOf(leaf=Leaf, declared=Declared)]
Dataset = Annotated[
    DatasetName | DescribedDataset, either(DatasetName, DescribedDataset, is_mapping)
]


class Augment(Section):
    """Random changes to training images: a shifted crop, a horizontal flip."""

    crop: Switch = False
    flip: Switch = False

    @model_validator(mode="before")
    @classmethod
    def _from_switch(cls, value: Any) -> Any:
        if isinstance(value, bool):
            return {"crop": value, "flip": value}
        if not isinstance(value, Mapping | Augment):
            raise rule("must be true, false or a mapping with crop and flip")
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"type": "boolean"}, handler(schema)]}


class Data(Section):
    """The data set, how many of its samples are used, and their partition among the clients.

    `test_fraction` is for data sets without a test split; `dir` is the folder of the data sets, in
    torchvision's layout.
    """

    dataset: Dataset
    partition: Partition = Field(default="iid", validate_default=True)
    test_fraction: TestShare | None = None
    train_samples: Count | None = None
    test_samples: Count | None = None
    augment: Augment = Augment()
    dir: Text | None = None
