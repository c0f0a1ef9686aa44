"""The `data` section: the data set, its partition over the clients, and its augmentation."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Discriminator, Field, GetJsonSchemaHandler, Tag, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from scenarios.fields import Count, DatasetName, Positive, Section, Switch, Text, rule
from scenarios.one_of import OneOf

TestShare = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]
OneOrMany = Annotated[
    Annotated[Count, Tag("~one")] | Annotated[tuple[Count, ...], Tag("~many")],
    Discriminator(lambda value: "~many" if isinstance(value, list | tuple) else "~one"),
]


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
    min_samples: Count = 1


class Sizes(Section):
    """IID shards of given sizes: one for all clients, or a list with one for each."""

    shorthand = "samples"
    samples: OneOrMany


Partition = Annotated[
    Iid | Shards | Dirichlet | Sizes,
    OneOf(iid=Iid, shards=Shards, dirichlet=Dirichlet, sizes=Sizes),
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

    dataset: DatasetName
    partition: Partition = Field(default="iid", validate_default=True)
    test_fraction: TestShare | None = None
    train_samples: Count | None = None
    test_samples: Count | None = None
    augment: Augment = Augment()
    dir: Text | None = None
