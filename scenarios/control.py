"""The `control` section: the controller of cuts, batch sizes or participants in each round."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cutlayer.scenarios.fields import (
    OBJECT_PATTERN,
    Count,
    NotNegative,
    Section,
    Text,
    Whole,
    is_object_path,
    not_empty,
    unique,
)
from cutlayer.scenarios.unions import OneOf, either, is_text

Cut = Annotated[Whole | Text, either(Whole, Text, is_text)]  # a number of blocks, or a name
Cuts = Annotated[tuple[Cut, ...], not_empty, unique]


class Fixed(Section):
    """Everything stays as the scenario has it."""


class Best(Section):
    """Each client has the cut with the shortest round without contention for links and server.

    `cuts` are those to choose from, by default all that the method and the device's memory allow.
    """

    cuts: Cuts | None = None


class FedAdapt(Section):
    """After every round, each of `groups` groups of devices gets the cut that its last rounds suggest.

    A group changes its cut if its predicted time falls by more than `gain`, as a share. `cuts` are those
    to choose from, by default all that the method and the device's memory allow.
    """

    cuts: Cuts | None = None
    groups: Count = 3
    gain: Annotated[NotNegative, Field(lt=1)] = 0.05


class BalancedBatches(Section):
    """Slower clients get smaller batches, at least `smallest`, so that all finish together."""

    smallest: Count = 1


class OwnControl(Section):
    """A user's own controller: `package.module:Object`, or a mapping of it to its options."""

    name: Text
    options: Mapping[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and _own_names(value):
            ((name, options),) = value.items()
            return {"name": name, "options": {} if options is None else options}
        return value

    @model_serializer
    def _written(self) -> dict[str, Any]:
        return {self.name: dict(self.options)}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        del schema, handler
        named = {
            "type": "object",
            "patternProperties": {OBJECT_PATTERN: {"type": "object"}},
            "additionalProperties": False,
            "minProperties": 1,
        }
        return {"anyOf": [{"type": "string", "pattern": OBJECT_PATTERN}, named]}


def _own_names(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and is_object_path(str(next(iter(value))))


def _is_own(value: Any) -> bool:
    if isinstance(value, str):
        return is_object_path(value)
    return isinstance(value, OwnControl) or _own_names(value)


ShippedControl = Annotated[
    Fixed | Best | FedAdapt | BalancedBatches,
    OneOf(fixed=Fixed, best=Best, fedadapt=FedAdapt, balanced_batches=BalancedBatches),
]
Control = Annotated[ShippedControl | OwnControl, either(ShippedControl, OwnControl, _is_own)]
