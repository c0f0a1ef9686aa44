"""The `speeds` section: clients of one device that are not all equally fast."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from cutlayer.scenarios.fields import Section, Text, rule
from cutlayer.topologies.scores import ScoresError, read_scores

Variation = Annotated[float, Field(strict=True, gt=0, le=10, allow_inf_nan=False)]


class Speeds(Section):
    """How the speeds of a group's clients (or of one client) lie around that of their device.

    A `lognormal` distribution with this coefficient of variation, or `scores` in a `column` of a CSV
    or JSON file, from which one is drawn for each client. The mean speed is the device's.
    """

    clients: Text
    lognormal: Variation | None = None
    scores: Text | None = None
    column: Text | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.lognormal is None) == (self.scores is None):
            raise rule("needs either lognormal, a coefficient of variation, or scores, a file")
        if (self.scores is None) != (self.column is None):
            raise rule("needs a column of its scores, and only then")
        if self.scores is not None:
            self.read()
        return self

    def read(self) -> tuple[float, ...]:
        """Return the file's scores, divided by their mean."""
        assert self.scores is not None
        assert self.column is not None
        try:
            scores = read_scores(Path(self.scores), self.column)
        except ScoresError as error:
            raise rule(str(error)) from None
        mean = sum(scores) / len(scores)
        return tuple(score / mean for score in scores)
