"""The building blocks of a scenario's sections: strict numbers, known names, bare values.

Each states its rule as a sentence (`PydanticCustomError` of type "rule"), which
`cutlayer.scenarios.messages` prints unchanged.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from cutlayer.errors import UserError
from cutlayer.models.packages.names import package_of
from cutlayer.scenarios.aliases import canonical
from cutlayer.suggestion import suggestion

OBJECT_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$"
KIND_KEY = "x-names"  # marks, in a JSON Schema, where names of a kind belong

Count = Annotated[int, Field(strict=True, ge=1, le=10**15)]
Whole = Annotated[int, Field(strict=True, ge=0)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)]
BelowOne = Annotated[float, Field(strict=True, ge=0, lt=1, allow_inf_nan=False)]
Switch = Annotated[bool, Field(strict=True)]


def rule(sentence: str) -> PydanticCustomError:
    """Return the error that is printed as `sentence`."""
    return PydanticCustomError("rule", "{sentence}", {"sentence": sentence})


@contextmanager
def as_rule(prefix: str = "") -> Iterator[None]:
    """Raise a user's error, such as that of a file, as a rule that the value breaks."""
    try:
        yield
    except UserError as error:
        raise rule(f"{prefix}{error}") from None


def accepted_by(check: Callable[[str], object], prefix: str = "") -> AfterValidator:
    """Return the annotation of a text for which `check` raises no user's error."""

    def validate(text: str) -> str:
        with as_rule(prefix):
            check(text)
        return text

    return AfterValidator(validate)


def _is_one_line(text: str) -> str:
    """Return text that tables and messages can show unchanged."""
    if not text.isprintable():
        raise rule("must be one line of text without control characters")
    return text


Text = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=1000), AfterValidator(_is_one_line)
]


def is_object_path(name: str) -> bool:
    """Whether `name` has the form `package.module:Object`."""
    return re.fullmatch(OBJECT_PATTERN, name) is not None


@dataclass(frozen=True)
class Names:
    """The names that a scenario may use, handed to its sections as the validation context."""

    devices: Collection[str] = ()
    stacks: Collection[str] = ()
    links: Collection[str] = ()
    models: Collection[str] = ()
    datasets: Collection[str] = ()


def _check_unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) != len(values):
        raise rule("must not contain a value twice")
    return values


def _check_increasing(values: tuple[int, ...]) -> tuple[int, ...]:
    if any(later <= earlier for earlier, later in pairwise(values)):
        raise rule("must increase from one value to the next")
    return values


def _check_not_empty(value: Any) -> Any:
    if isinstance(value, list | tuple | Mapping) and not value:
        raise rule("must not be empty")
    return value


class _NotEmpty(BeforeValidator):
    """Annotation of a list or mapping with at least one entry.

    It checks the list as written: pydantic's own bound counts only valid entries.
    """

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "minItems": 1, "minProperties": 1}


not_empty = _NotEmpty(_check_not_empty)
unique = AfterValidator(_check_unique)
increasing = AfterValidator(_check_increasing)

Kind = Literal["devices", "stacks", "links", "models", "datasets"]


def _known(
    kind: Kind, noun: str, *, objects: bool = False, packages: bool = False
) -> AfterValidator:
    """Return the annotation of a name that the validation context must know.

    Another spelling (`CIFAR-10`) becomes the known one. Without a context, every name is valid.
    """

    def check(name: str, info: ValidationInfo) -> str:
        other = (objects and is_object_path(name)) or (packages and package_of(name) is not None)
        if not isinstance(info.context, Names) or other:
            return name
        known = getattr(info.context, kind)
        known_name = canonical(name, known)
        if known_name is None:
            hint = suggestion(name, known)
            module, dot, own = name.rpartition(".")
            if objects and dot and is_object_path(f"{module}:{own}"):
                hint = f": your own is named package.module:Object; did you mean '{module}:{own}'?"
            raise rule(f"is not a known {noun}{hint}")
        return known_name

    return AfterValidator(check)


def _marked(kind: Kind) -> Any:
    return Field(json_schema_extra={KIND_KEY: kind})


DeviceName = Annotated[Text, _known("devices", "device"), _marked("devices")]
StackName = Annotated[Text, _known("stacks", "software stack"), _marked("stacks")]
LinkName = Annotated[Text, _known("links", "link"), _marked("links")]
ModelName = Annotated[
    Text, _known("models", "model", objects=True, packages=True), _marked("models")
]
DatasetName = Annotated[Text, _known("datasets", "data set", objects=True), _marked("datasets")]


class Section(BaseModel):
    """A mapping of a scenario file: unknown keys are errors, and instances are immutable.

    `shorthand` is the field for which a bare value (anything but a mapping) stands.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    shorthand: ClassVar[str | None] = None

    @model_validator(mode="before")
    @classmethod
    def _spell_out(cls, value: Any) -> Any:
        if cls.shorthand is None or isinstance(value, Mapping | BaseModel) or value is None:
            return value
        return {cls.shorthand: value}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        written = handler(schema)
        if cls.shorthand is None:
            return written
        properties = handler.resolve_ref_schema(written)["properties"]
        return {"anyOf": [properties[cls.shorthand], written]}
