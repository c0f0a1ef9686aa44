"""The `data` section: the data set, its partition over the clients, and its augmentation."""

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    Tag,
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
    not_empty,
    rule,
)
from cutlayer.scenarios.one_of import OneOf

TestShare = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=0)]
OneOrMany = Annotated[
    Annotated[Count, Tag("~one")] | Annotated[tuple[Count, ...], Tag("~many")],
    Discriminator(lambda value: "~many" if isinstance(value, list | tuple) else "~one"),
]


MOST_VALUES: Final = 100_000_000  # in one sample
MOST_CLASSES: Final = 1_000_000

Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def _of_possible_size(shape: tuple[int, ...]) -> tuple[int, ...]:
    if prod(shape) > MOST_VALUES:
        raise rule(f"must be a shape of at most {MOST_VALUES:,} numbers")
    return shape


Shape = Annotated[tuple[Count, ...], not_empty, AfterValidator(_of_possible_size)]
Classes = Annotated[int, Field(strict=True, ge=1, le=MOST_CLASSES)]


def _rises(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] >= bounds[1]:
        raise rule("must be a smaller and a larger number")
    return bounds


class Iid(Section):
    """All samples at random in equal shares."""


class Shards(Section):
    """Samples sorted by label, cut into shards of `size`, of which a client gets `per_client`.

    Without a `size` the data are cut into clients x `per_client` shards of equal size.
    """

    per_client: Count
    size: Count | None = None


class Dirichlet(Section):
    """Class shares of every client drawn from a Dirichlet distribution; small `alpha` is skewed."""

    shorthand = "alpha"
    alpha: Positive
    min_samples: Whole = 1


class Sizes(Section):
    """IID shards of given sizes: one for all clients, or a list with one for each."""

    shorthand = "samples"
    samples: OneOrMany


class GivenSplit(Section):
    """Who holds which samples, from a file; with `overlap` a sample may be held twice."""

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
    """A data set in the format of LEAF: the files (or folders of files) of training and test data.

    `value_range` are the numbers that become 0 and 1.
    """

    shorthand = "train"
    train: Text
    test: Text | None = None
    input_shape: Shape | None = None
    classes: Classes | None = None
    value_range: Annotated[tuple[Finite, Finite], AfterValidator(_rises)] | None = None


class Declared(Section):
    """A data set that is only declared, for runs without training: samples in equal classes."""

    input_shape: Shape
    classes: Classes
    train_samples: Count
    test_samples: Whole = 0


MadeDataset = Annotated[Leaf | Declared, OneOf(leaf=Leaf, declared=Declared)]
Dataset = Annotated[
    Annotated[DatasetName, Tag("~name")] | Annotated[MadeDataset, Tag("~made")],
    Discriminator(lambda value: "~made" if isinstance(value, Mapping | Section) else "~name"),
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
    """Which data set, how much of it, and which client holds what.

    `test_fraction` is for sets without a test split of their own; `dir` is the folder that holds
    the data sets, laid out as torchvision does.
    """

    dataset: Dataset
    partition: Partition = Field(default="iid", validate_default=True)
    test_fraction: TestShare | None = None
    train_samples: Count | None = None
    test_samples: Count | None = None
    augment: Augment = Augment()
    dir: Text | None = None
