"""The forms of a changing rate (a recording, a schedule, a random process), and the `changes` section.

The forms replace a fixed rate: `up: {trace: lte.up.gz}`. Files are read together with the scenario.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, model_validator

from cutlayer.scenarios.fields import BelowOne, Positive, Section, Text, as_rule, not_empty, rule
from cutlayer.scenarios.quality import Variation
from cutlayer.scenarios.quantities import Delay, Duration, FiniteRate, Rate, RateOrOutage
from cutlayer.scenarios.shipped import trace_path
from cutlayer.scenarios.unions import Forms, by_key, either
from cutlayer.topologies.bandwidth import (
    Lognormal,
    Table,
    Tabled,
    TwoStates,
    Varying,
    read_csv,
    read_mahimahi,
)
from cutlayer.topologies.bandwidth.mahimahi import STEP_S
from cutlayer.topologies.units import MAX_BYTES_PER_S, MIN_BYTES_PER_S

MAX_CHANGES_PER_S: Final = 1000


def check_changes(per_s: float) -> None:
    """Refuse more changes per second of virtual time than can be simulated in reasonable time."""
    if per_s > MAX_CHANGES_PER_S:
        raise rule(
            f"changes {per_s:,.4g} times a second on average: at most {MAX_CHANGES_PER_S:,}"
            " are simulated"
        )


def _at_least_1_ms(seconds: float) -> float:
    if seconds < 0.001:
        raise rule("must be at least 1 ms")
    return seconds


Step = Annotated[Duration, AfterValidator(_at_least_1_ms)]


class VaryingRate(Section):
    """A rate that changes over time."""

    def varying(self) -> Varying:
        """Return how the rate varies. Raises TraceError for a file that cannot be read."""
        raise NotImplementedError


Start = Annotated[
    Literal["random"] | Delay, either(Literal["random"], Delay, lambda value: value != "random")
]


class TraceRate(VaryingRate):
    """A recording: `mahimahi`, averaged over steps of `step`, or `csv`, which may `repeat`.

    Each connection begins at a random time of the recording, or all at `start`; the default is 0 s for
    a recording that does not repeat.
    """

    trace: Text
    format: Literal["mahimahi", "csv"] = "mahimahi"
    step: Step | None = None
    scale: Positive = 1.0
    start: Start = "random"
    repeat: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        name = trace_path(str(value.get("trace"))).removesuffix(".gz")
        spelled = {"format": "csv" if name.endswith(".csv") else "mahimahi", **value}
        if spelled["format"] == "mahimahi":
            spelled.setdefault("step", f"{STEP_S} s")
        elif "repeat" not in spelled:
            spelled.setdefault("start", "0 s")
        return spelled

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        csv = self.format == "csv"
        if csv and self.step is not None:
            raise rule("has a step, which is allowed in the format mahimahi only")
        if not csv and self.repeat is not None:
            raise rule("has a repeat, but a trace in the format mahimahi always repeats at its end")
        if csv and self.repeat is None and self.start == "random":
            raise rule("starts at random and so needs a repeat")
        with as_rule():
            table = self._table()
        check_changes(table.changes_per_s)
        most = table.most * self.scale
        if not MIN_BYTES_PER_S <= most <= MAX_BYTES_PER_S:
            raise rule("has a scale that makes its highest rate less than 0.001 or over 1e18 bit/s")
        return self

    def varying(self) -> Varying:
        """Return the recording."""
        table = self._table() if self.scale == 1 else self._table().scaled(self.scale)
        return Tabled(table, None if self.start == "random" else self.start)

    def _table(self) -> Table:
        if self.format == "csv":
            repeat = math.inf if self.repeat is None else self.repeat
            return read_csv(trace_path(self.trace), repeat)
        assert self.step is not None
        return read_mahimahi(self.trace, self.step)


class Markov(Section):
    """Two alternating rates, each for exponentially distributed times with a given mean."""

    good: FiniteRate
    bad: RateOrOutage
    good_for: Duration
    bad_for: Duration

    @model_validator(mode="after")
    def _can_be_followed(self) -> Self:
        check_changes(2 / (self.good_for + self.bad_for))
        return self


class MarkovRate(VaryingRate):
    """A rate that alternates between good and bad."""

    markov: Markov

    def varying(self) -> Varying:
        """Return the process."""
        two = self.markov
        return TwoStates(two.good, two.bad, two.good_for, two.bad_for)


class LognormalWalk(Section):
    """A lognormal rate that changes every `step`: mean, coefficient of variation, correlation.

    The correlation is that of the rate's logarithm: of successive steps, or by the time after which it
    is 1/e.
    """

    mean: FiniteRate
    cv: Variation
    step: Step
    correlation: BelowOne | None = None
    correlation_time: Duration | None = None

    @model_validator(mode="after")
    def _one_correlation(self) -> Self:
        if (self.correlation is None) == (self.correlation_time is None):
            raise rule("must have one of correlation and correlation_time")
        return self


class LognormalRate(VaryingRate):
    """A rate that fluctuates around its mean."""

    lognormal: LognormalWalk

    def varying(self) -> Varying:
        """Return the process."""
        walk = self.lognormal
        correlation = walk.correlation
        if correlation is None:
            assert walk.correlation_time is not None
            correlation = math.exp(-walk.step / walk.correlation_time)
        return Lognormal(walk.mean, walk.cv, correlation, walk.step)


class RateStep(Section):
    """The rate from `at` on; 0 bit/s is an outage."""

    at: Delay
    rate: RateOrOutage


class StepsRate(VaryingRate):
    """A schedule, which repeats after `repeat` or holds its last rate."""

    steps: Annotated[tuple[RateStep, ...], not_empty]
    repeat: Duration | None = None

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        times = [step.at for step in self.steps]
        if times[0] != 0:
            raise rule("must begin with a step at 0 s")
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise rule("must have each step later than the one before")
        if self.repeat is not None and self.repeat <= times[-1]:
            raise rule("must repeat after the last step")
        if all(step.rate == 0 for step in self.steps):
            raise rule("must have a step with a rate above 0")
        check_changes(self._table().changes_per_s)
        return self

    def varying(self) -> Varying:
        """Return the schedule."""
        return Tabled(self._table())

    def _table(self) -> Table:
        period = math.inf if self.repeat is None else self.repeat
        return Table([step.at for step in self.steps], [step.rate for step in self.steps], period)


def _any_rate(fixed: Any) -> Forms:
    return by_key(
        "must be a rate, such as '10 Mbit/s', or have one of trace, markov, lognormal and steps",
        plain=fixed,
        trace=TraceRate,
        markov=MarkovRate,
        lognormal=LognormalRate,
        steps=StepsRate,
    )


_Varying = TraceRate | MarkovRate | LognormalRate | StepsRate
AnyRate = Annotated[Rate | _Varying, _any_rate(Rate)]
AnyFiniteRate = Annotated[FiniteRate | _Varying, _any_rate(FiniteRate)]


class ClientsChange(Section):
    """From `at` on, the links of a group or a client have these rates; 0 bit/s is an outage.

    `rate` is for both directions, or for the one rate of a half-duplex link.
    """

    at: Delay
    clients: Text
    up: RateOrOutage | None = None
    down: RateOrOutage | None = None
    rate: RateOrOutage | None = None

    @model_validator(mode="after")
    def _has_a_rate(self) -> Self:
        if (self.rate is None) == (self.up is None and self.down is None):
            raise rule("must have up, down or both, or else rate")
        return self


class LinkChange(Section):
    """From `at` on, a link or medium of the topology has this rate; 0 bit/s is an outage."""

    at: Delay
    link: Text
    rate: RateOrOutage


Change = Annotated[
    ClientsChange | LinkChange,
    by_key(
        "must have clients (with up, down or rate) or a link (with its rate)",
        clients=ClientsChange,
        link=LinkChange,
    ),
]
