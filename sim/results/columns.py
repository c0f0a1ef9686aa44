"""The columns of the tables of results: one description for the writer and for the reader.

Every table of a run or a study is a list of `Column`: the writer takes a column's value of each record,
the reader checks a column's form.

This file is long because it declares every column of every table; it does little else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, Literal

from cutlayer.sim.log.intervals import PHASES
from cutlayer.sim.log.tiers import FIGURES
from cutlayer.sim.log.traffic import CATEGORIES, DOWN, UP, key_of

Value = str | int | float | None
Row = dict[str, Value]
Form = Literal["text", "count", "number", "either"]  # either: a number if it reads as one
Need = Literal["optional", "required", "filled"]  # filled: required, and never empty


@dataclass(frozen=True)
class Column:
    """One column: its name, its value of a record, and what the reader expects."""

    name: str
    value: Callable[[Any], Value] = lambda _: None
    form: Form = "number"
    need: Need = "optional"


DIGESTS: Final = ("learning_digest", "event_digest", "weights_digest")

METHOD_COLUMNS: Final = (  # the method of a row, which `method_row` fills in
    Column("label", form="text", need="filled"),
    Column("method", form="text"),
)


def method_row(label: str, method: str, table: str, record: Any) -> Row:
    """Return a record of a method as a row of one of `RUN_TABLES`."""
    row = {column.name: column.value(record) for column in RUN_TABLES[table]}
    return row | {"label": label, "method": method}


def by_column(rows: Sequence[Mapping[str, Value]]) -> dict[str, list[Value]]:
    """Return rows as columns; no rows have none."""
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}


def ratio(value: float | None, over: float | None) -> float | None:
    """Return the ratio of two values; None if one of them is unknown or `over` is 0."""
    return value / over if value is not None and over else None


def _on_critical_path(phase: str) -> Callable[[Any], Value]:
    return lambda closed: closed.critical_path_s[phase]


def _of_category(of: str) -> Callable[[Any], Value]:
    return lambda closed: closed.wire_by.get(of, 0)


def _of_tier(figure: str) -> Callable[[Any], Value]:
    return lambda closed: closed.tiers.get(figure)


ROUND_COLUMNS: Final = (
    Column("round", lambda r: r.index, "count", "filled"),
    Column("round_type", lambda r: r.round_type, "text", "required"),
    Column("clients", lambda r: r.clients, "count"),
    Column("clients_dropped", lambda r: r.clients_dropped),
    Column("virtual_time_s", lambda r: r.virtual_time_s, need="filled"),
    Column("waited_s", lambda r: r.waited_s),
    Column("round_time_s", lambda r: r.round_time_s, need="filled"),
    Column("additive_round_time_s", lambda r: r.additive_round_time_s),
    Column("wire_bytes_up", lambda r: r.wire_up, need="filled"),
    Column("wire_bytes_down", lambda r: r.wire_down, need="filled"),
    Column("wire_bytes_per_client_round", lambda r: ratio(r.wire_up + r.wire_down, r.clients)),
    Column("payload_bytes_up", lambda r: r.payload_up),
    Column("payload_bytes_down", lambda r: r.payload_down),
    Column(
        "payload_bytes_per_client_round", lambda r: ratio(r.payload_up + r.payload_down, r.clients)
    ),
    *(
        Column(f"wire_bytes_{of}", _of_category(of), "count")
        for of in (
            key_of(direction, category) for direction in (UP, DOWN) for category in CATEGORIES
        )
    ),
    *(Column(figure, _of_tier(figure)) for figure in FIGURES),
    Column("wasted_bytes", lambda r: r.wasted_bytes),
    Column("energy_j", lambda r: r.energy_j),
    Column("server_jobs", lambda r: r.server_jobs),
    Column("server_wait_mean_s", lambda r: ratio(r.server_wait_s, r.server_jobs)),
    Column("server_wait_max_s", lambda r: r.longest_server_wait_s if r.server_jobs else None),
    *(Column(f"critical_{phase}_s", _on_critical_path(phase), need="filled") for phase in PHASES),
    Column("barrier_mean_s", lambda r: r.barrier_s, need="filled"),
    Column("straggler", lambda r: r.straggler, "text", "required"),
    Column("version", lambda r: r.version, "count"),
    Column("learning_rate", lambda r: r.learning_rate),
    Column("training_loss", lambda r: r.training_loss),
    Column("test_loss", lambda r: r.test_loss),
    Column("accuracy", lambda r: r.accuracy, need="required"),
)

EVALUATION_COLUMNS: Final = (  # of accuracy.csv: of triples (evaluated round, metric, value)
    Column("round", lambda of: of[0].index, "count", "required"),
    Column("virtual_time_s", lambda of: of[0].virtual_time_s, need="required"),
    Column("metric", lambda of: of[1], "text"),
    Column("value", lambda of: of[2], need="required"),
)

CLASS_COLUMNS: Final = (  # of classes.csv
    Column("class", lambda of: of["class"], "count", "filled"),
    Column("accuracy_final", lambda of: of["final"], need="required"),
    Column("accuracy_best", lambda of: of["best"], need="required"),
)

CONFUSION_COLUMNS: Final = (  # of confusion.csv: of triples of class, predicted class, samples
    Column("class", lambda of: of[0], "count", "filled"),
    Column("predicted", lambda of: of[1], "count", "filled"),
    Column("samples", lambda of: of[2], "count", "filled"),
)

CLIENT_COLUMNS: Final = (  # of clients.csv: of triples of name, samples, accuracy
    Column("client", lambda of: of[0], "text", "filled"),
    Column("samples", lambda of: of[1], "count", "filled"),
    Column("accuracy", lambda of: of[2], need="filled"),
)

LINK_COLUMNS: Final = (
    Column("link", lambda link: link.name, "text", "required"),
    Column("clients", lambda link: link.clients, "count"),
    Column("mean_capacity", lambda link: link.per_second(link.capacity_s)),
    Column("wire_bytes", lambda link: link.totals.wire_bytes),
    Column("busy_s", lambda link: link.totals.busy_s),
    Column("mean_flows", lambda link: link.per_second(link.totals.flow_s)),
    Column("peak_flows", lambda link: link.totals.peak),
    Column("utilisation", lambda link: link.utilisation, need="required"),
    Column("bottleneck_s", lambda link: link.totals.bottleneck_s),
    Column("bottleneck_share", lambda link: link.per_second(link.totals.bottleneck_s)),
)

UTILISATION_COLUMNS: Final = (  # see results/utilisation
    Column("link", form="text", need="required"),
    Column("round", form="count", need="required"),
    Column("detail", form="count", need="required"),
    Column("start_s", need="required"),
    Column("end_s", need="required"),
    Column("utilisation", need="required"),
)

DEVICE_COLUMNS: Final = (  # of pairs: a client's name, and the use of its device
    Column("client", lambda client: client[0], "text", "required"),
    Column("device", lambda client: client[1].device, "text", "required"),
    Column("rounds", lambda client: client[1].rounds),
    Column("elapsed_s", lambda client: client[1].elapsed_s),
    Column("compute_s", lambda client: client[1].compute_s),
    Column("send_s", lambda client: client[1].send_s),
    Column("receive_s", lambda client: client[1].receive_s),
    Column("idle_fraction", lambda client: client[1].idle_fraction, need="required"),
    Column("energy_j", lambda client: client[1].energy_j, need="required"),
    Column("samples", lambda client: client[1].samples, "count"),
    Column("updates", lambda client: client[1].updates, "count"),
)


def _of_update(name: str, form: Form = "number", need: Need = "optional") -> Column:
    return Column(name, attrgetter(name), form, need)


UPDATE_COLUMNS: Final = (  # of an asynchronous method; see `UpdateRow`
    _of_update("update", "count", "filled"),
    _of_update("client", "text", "filled"),
    _of_update("window", "count", "filled"),
    _of_update("read_version", "count", "filled"),
    _of_update(
        "version", "count", "required"
    ),  # this and the next three are empty if it was dropped
    _of_update("staleness", "count", "required"),
    _of_update("weight", need="required"),
    _of_update("folded_s", need="required"),
    _of_update("dispatched_s", need="filled"),
    _of_update("downloaded_s", need="required"),
    _of_update("uploaded_s", need="required"),
    _of_update("computing_s", need="filled"),
    _of_update("queued_s", need="filled"),
    _of_update("dropped", "count", "filled"),
)

DECISION_COLUMNS: Final = (  # of a controller: a client's settings from a round on
    Column("round", lambda decided: decided.round, "count", "filled"),
    Column("client", lambda decided: decided.client, "text", "filled"),
    Column("device", lambda decided: decided.device, "text", "filled"),
    Column("cut", lambda decided: decided.cut, "count", "filled"),
    Column("batch_size", lambda decided: decided.batch_size, "count", "filled"),
)


def _critical_column(phase: str) -> Column:
    return Column(f"critical_{phase}_s", lambda m: m.mean_of(lambda r: r.critical_path_s[phase]))


RESULT_COLUMNS: Final = (  # a method's figures in a row of a study's points
    Column("rounds", lambda m: len(m.rounds)),
    Column("virtual_time_s", lambda m: m.virtual_time_s, need="required"),
    Column("round_time_mean_s", lambda m: m.mean_of(lambda r: r.round_time_s)),
    Column("additive_round_time_s", lambda m: m.mean_of(lambda r: r.additive_round_time_s)),
    Column("wire_bytes_up", lambda m: sum(r.wire_up for r in m.rounds)),
    Column("wire_bytes_down", lambda m: sum(r.wire_down for r in m.rounds)),
    Column("wire_bytes_per_client_round", lambda m: m.bytes_per_client_round, need="required"),
    Column("energy_j", lambda m: m.energy_j, need="required"),
    Column("server_wait_mean_s", lambda m: m.server_wait_mean_s),
    Column("idle_fraction_clients", lambda m: m.clients_idle),
    Column("idle_fraction_server", lambda m: m.server_idle),
    *(_critical_column(phase) for phase in PHASES),
    Column("accuracy_final", lambda m: m.final_accuracy, need="required"),
    Column("accuracy_best", lambda m: m.best_accuracy),
)


def _of_update_summary(*path: str) -> Callable[[Any], Any]:
    """Return a reader of a figure of a method's updates; it returns None for a method with rounds."""

    def value(method: Any) -> Any:
        found: Any = method.update_summary
        for key in path if found is not None else ():
            found = found[key]
        return found

    return value


# Further columns, only in studies of a task whose first metric is not accuracy.
METRIC_COLUMNS: Final = (
    Column("metric", lambda m: m.metric.name, "text"),
    Column("metric_final", lambda m: m.final),
    Column("metric_best", lambda m: m.best),
)
# Further columns, only in studies with an asynchronous method.
ASYNC_COLUMNS: Final = (
    Column("staleness_mean", _of_update_summary("staleness", "mean")),
    Column("staleness_max", _of_update_summary("staleness", "max")),
    Column("versions_per_hour", _of_update_summary("versions_per_hour")),
    Column("jain", _of_update_summary("clients", "jain")),
)

RUN_TABLES: Final[Mapping[str, Sequence[Column]]] = {
    "rounds": (*METHOD_COLUMNS, *ROUND_COLUMNS),
    "accuracy": (*METHOD_COLUMNS, *EVALUATION_COLUMNS),
    "links": (*METHOD_COLUMNS, *LINK_COLUMNS),
    "devices": (*METHOD_COLUMNS, *DEVICE_COLUMNS),
    "utilisation": (*METHOD_COLUMNS, *UTILISATION_COLUMNS),
    "updates": (*METHOD_COLUMNS, *UPDATE_COLUMNS),
    "decisions": (*METHOD_COLUMNS, *DECISION_COLUMNS),
    "classes": (*METHOD_COLUMNS, *CLASS_COLUMNS),
    "clients": (*METHOD_COLUMNS, *CLIENT_COLUMNS),
    "confusion": (*METHOD_COLUMNS, *CONFUSION_COLUMNS),
}
# Only with an asynchronous method, with a controller, and where something was trained (the others).
NOT_IN_EVERY_RUN: Final = ("updates", "decisions", "classes", "clients", "confusion")

# In the folders of runs that were timed at draws of their figures.
DRAW_TABLES: Final[Mapping[str, Sequence[Column]]] = {
    "draws": (
        Column("draw", form="count", need="filled"),
        Column("label", form="text", need="filled"),
        Column("round_time_s", need="required"),  # empty if the method cannot end in a draw
        Column("virtual_time_s", need="required"),
        Column("target_s"),
    ),
    "factors": (Column("draw", form="count", need="filled"),),  # and one for each factor
}


def _required(form: Form, *names: str) -> list[Column]:
    return [Column(name, form=form, need="required") for name in names]


# Without the columns of the axes, and for `pareto` without those of the aims.
STUDY_TABLES: Final[Mapping[str, Sequence[Column]]] = {
    "points": (
        *_required("number", "point", "seed"),
        *_required("text", "label", "status", "curve"),
        *(Column(name, form="text") for name in ("method", "note", *DIGESTS)),
        *RESULT_COLUMNS,
        *ASYNC_COLUMNS,
        *METRIC_COLUMNS,
        *(
            Column(f"{figure}_{end}_s")  # of intervals over draws
            for figure in ("round_time", "virtual_time", "target")
            for end in ("low", "high")
        ),
    ),
    "curves": (
        *_required("text", "label"),
        *_required("number", "point", "seed", "round", "virtual_time_s", "wire_bytes", "accuracy"),
        Column("metric", form="text"),
        Column("value"),
    ),
    "crossovers": (
        *_required("text", "axis", "first", "second", "by", "better", "overtaken", "note"),
        *_required("either", "value"),
        *_required("number", "value_si", "low", "high"),
        *(Column(f"drawn_{name}") for name in ("low", "median", "high", "share")),
    ),
    "best": (
        *_required("text", "label", "by", "axis"),
        *_required("either", "best", "second"),
        *_required("number", "value", "second_over_best", "infeasible"),
        Column("best_share"),
        Column("drawn", form="text"),
    ),
    "pareto": (*_required("number", "point"), *_required("text", "label")),
    "sensitivity": (
        *_required("text", "label", "assumption", "by"),
        *_required("number", "factor", "less", "base", "more", "swing"),
    ),
}
