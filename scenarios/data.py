"""The `data` section: the data set, its partition among the clients, and its augmentation."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cutlayer.scenarios.data_sets import Dataset
from cutlayer.scenarios.fields import Count, Positive, Section, Share, Switch, Text, rule
from cutlayer.scenarios.partition import GivenSplit, Partition

Degrees = Annotated[float, Field(strict=True, gt=0, le=180, allow_inf_nan=False)]
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


class FeatureSkew(Section):
    """Differences between the inputs of clients; each client draws its levels up to these.

    `noise` is a standard deviation, as a share of the range of pixels, or in standard deviations of a
    feature; `rotation` is in degrees, `contrast` a share.
    """

    noise: Positive | None = None
    rotation: Degrees | None = None
    contrast: Share | None = None

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.noise is self.rotation is self.contrast is None:
            raise rule("must have noise, rotation or contrast")
        return self


class Data(Section):
    """The data set, how many of its samples are used, and their partition among the clients.

    `test_fraction` is for data sets without a test split. Unless `standardise` is false, inputs are
    standardised by the means and deviations of the training samples. `dir` is the folder of the data
    sets, in torchvision's layout.
    """

    dataset: Dataset
    partition: Partition = Field(default="iid", validate_default=True)
    test_fraction: TestShare | None = None
    train_samples: Count | None = None
    test_samples: Count | None = None
    augment: Augment = Augment()
    feature_skew: FeatureSkew | None = None
    standardise: Switch | None = None
    dir: Text | None = None

    @model_validator(mode="after")
    def _one_holder(self) -> Self:
        overlap = isinstance(self.partition, GivenSplit) and self.partition.overlap
        if overlap and self.feature_skew is not None:
            raise rule(
                "must not have feature_skew with overlap: true: a sample has one client's levels"
            )
        return self
