"""Unions: how the form of a written value is chosen, by its one key, by any key or by a test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SerializationInfo
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

    def _choose(self, value: Any) -> tuple[str, Any]:
        """Return the name of the chosen section and what is written for it."""
        for name, section in self.sections.items():
            if isinstance(value, section):
                return name, value
        if isinstance(value, str):
            value = {value: {}}
        listed = ", ".join(self.sections)
        if not isinstance(value, Mapping) or not value:
            raise rule(f"must name one of {listed}")
        for name in value:
            if name not in self.sections:
                for chosen, section in self.sections.items():
                    if chosen in value and name in section.model_fields:
                        form = f"{{{chosen}: {{{section.shorthand or '...'}: ..., {name}: ...}}}}"
                        raise rule(f"has {name!r} beside {chosen!r}: write {form}")
                raise rule(f"has the unknown choice {show(name)}{suggestion(name, self.sections)}")
        if len(value) > 1:
            raise rule(f"must name exactly one of {listed}, not {' and '.join(value)}")
        ((name, inner),) = value.items()
        return name, {} if inner is None else inner

    def _write(self, section: Section, info: SerializationInfo) -> dict[str, Any]:
        name = next(name for name, kind in self.sections.items() if type(section) is kind)
        return {name: section.model_dump(mode=info.mode, exclude_none=info.exclude_none)}

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        del source
        choices: dict[Any, Mapping[str, Any]] = {
            name: core_schema.no_info_before_validator_function(
                lambda chosen: chosen[1], handler.generate_schema(section)
            )
            for name, section in self.sections.items()
        }
        return core_schema.no_info_before_validator_function(
            self._choose,
            core_schema.tagged_union_schema(choices, discriminator=lambda chosen: chosen[0]),
            serialization=core_schema.plain_serializer_function_ser_schema(
                self._write, info_arg=True
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        forms: list[JsonSchemaValue] = []
        bare = []
        for (name, section), written in zip(
            self.sections.items(), handler(schema)["oneOf"], strict=True
        ):
            keys = {"properties": {name: written}, "required": [name]}
            forms.append({"type": "object", **keys, "additionalProperties": False})
            if not any(field.is_required() for field in section.model_fields.values()):
                bare.append(name)
        return {"anyOf": [{"enum": bare}, *forms] if bare else forms}


@dataclass(frozen=True, eq=False)
class Forms:
    """Annotation of a union: `choose` returns the name of a value's form, or None.

    `refusal` is the rule for a value without a form.
    """

    choose: Callable[[Any], str | None]
    forms: Mapping[str, Any]
    refusal: str | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        del source
        return core_schema.tagged_union_schema(
            {f"~{name}": handler.generate_schema(form) for name, form in self.forms.items()},
            lambda value: None if (name := self.choose(value)) is None else f"~{name}",
            custom_error_type=None if self.refusal is None else "rule",
            custom_error_message=self.refusal,
        )


def either(first: Any, second: Any, is_second: Callable[[Any], bool]) -> Forms:
    """Return the choice between two forms by a test of the value."""
    return Forms(lambda value: "b" if is_second(value) else "a", {"a": first, "b": second})


def is_list(value: Any) -> bool:
    """Whether a value is a list, as written or validated."""
    return isinstance(value, list | tuple)


def is_text(value: Any) -> bool:
    """Whether a value is text."""
    return isinstance(value, str)


def is_mapping(value: Any) -> bool:
    """Whether a value is a mapping, as written or validated."""
    return isinstance(value, Mapping | Section)


def by_key(message: str, *, plain: Any = None, **forms: type[Section]) -> Forms:
    """Return the choice of the form whose key a mapping has; anything but a mapping is `plain`.

    `message` is the rule for mappings with the keys of no form, or of several.
    """

    def choose(value: Any) -> str | None:
        if not is_mapping(value):
            return None if plain is None else "plain"
        named = [
            key
            for key, form in forms.items()
            if isinstance(value, form) or (isinstance(value, Mapping) and key in value)
        ]
        return named[0] if len(named) == 1 else None

    return Forms(choose, forms if plain is None else {"plain": plain, **forms}, message)
