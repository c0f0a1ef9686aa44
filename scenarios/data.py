"""The `data` section: the data set, its partition among the clients, and its augmentation."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cutlayer.scenarios.data_sets import Dataset
from cutlayer.scenarios.fields import Count, Section, Switch, Text, rule
from cutlayer.scenarios.partition import Partition

TestShare = Annotated[float, Field(strict=True, gt=0, lt=1, allow_inf_nan=False)]


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
