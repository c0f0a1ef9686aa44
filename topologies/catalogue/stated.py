"""Figures of the catalogue, each with its status."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cutlayer.topologies.device import Status

CatalogueStatus = Literal["measured", "derived", "published", "recalled", "guess"]
Text = Annotated[str, Field(min_length=1)]
SELF_EVIDENT: tuple[Status, ...] = ("measured", "published")


class Strict(BaseModel):
    """A model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Stated(Strict):
    """Something with a status, and with a note unless a source states or measured it."""

    status: CatalogueStatus
    note: Text | None = None

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if self.status not in SELF_EVIDENT and self.note is None:
            raise ValueError(f"a figure with the status {self.status!r} needs a note")
        return self


class Figure(Stated):
    """A quantity with its unit."""

    value: Text


class Watts(Stated):
    """A power in watts."""

    value: float = Field(ge=0, lt=1e6)


def status_of(stated: dict[str, Stated]) -> dict[str, Status]:
    """Return the status of each figure."""
    return {name: figure.status for name, figure in stated.items()}


def note_of(stated: dict[str, Stated]) -> dict[str, str]:
    """Return the note on each figure that has one."""
    return {name: figure.note for name, figure in stated.items() if figure.note is not None}
