"""A choice between sections, written as a mapping with one key: `partition: {dirichlet: 0.5}`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, SerializationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from cutlayer.scenarios.fields import Section, rule
from cutlayer.scenarios.problems import show
from cutlayer.suggestion import suggestion


class OneOf:
    """Annotation of a union of sections: `{name: section}`, exactly one name.

    `name` alone stands for `{name: {}}`. Validated values are the sections themselves; they are
    serialised as `{name: section}`.
    """

    def __init__(self, **sections: type[Section]) -> None:
        self.sections = sections

    def _choose(self, value: Any) -> "_Chosen":
        for name, section in self.sections.items():
            if isinstance(value, section):
                return _Chosen(name, value)
        if isinstance(value, str):
            value = {value: {}}
        listed = ", ".join(self.sections)
        if not isinstance(value, Mapping) or not value:
            raise rule(f"must name one of {listed}")
        for name in value:
            if name not in self.sections:
                raise rule(f"has the unknown choice {show(name)}{suggestion(name, self.sections)}")
        if len(value) > 1:
            raise rule(f"must name exactly one of {listed}, not {' and '.join(value)}")
        ((name, inner),) = value.items()
        return _Chosen(name, {} if inner is None else inner)

    def _write(self, section: Section, info: SerializationInfo) -> dict[str, Any]:
        name = next(name for name, kind in self.sections.items() if type(section) is kind)
        return {name: section.model_dump(mode=info.mode, exclude_none=info.exclude_none)}

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        del source
        choices: dict[Any, Mapping[str, Any]] = {
            name: core_schema.no_info_before_validator_function(
                lambda chosen: chosen.value, handler.generate_schema(section)
            )
            for name, section in self.sections.items()
        }
        return core_schema.no_info_before_validator_function(
            self._choose,
            core_schema.tagged_union_schema(choices, discriminator=lambda chosen: chosen.name),
            serialization=core_schema.plain_serializer_function_ser_schema(
                self._write, info_arg=True
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        inner = handler(schema)["oneOf"]
        assert len(inner) == len(self.sections)
        bare = [name for name, section in self.sections.items() if _all_defaults(section)]
        forms: list[JsonSchemaValue] = [{"enum": bare}] if bare else []
        for name, written in zip(self.sections, inner, strict=True):
            keys = {"properties": {name: written}, "required": [name]}
            forms.append({"type": "object", **keys, "additionalProperties": False})
        return {"anyOf": forms}


@dataclass(frozen=True)
class _Chosen:
    """A name of a `OneOf` with the value that was written for it."""

    name: str
    value: Any


def _all_defaults(section: type[BaseModel]) -> bool:
    return not any(info.is_required() for info in section.model_fields.values())
