"""The tables of a study: a row for each point, seed and method, and one for each evaluation."""

from collections.abc import Sequence

import numpy as np

from cutlayer.sim.log.intervals import PHASES
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import Row
from cutlayer.sim.studies.result import CellResult, StudyResult


def point_rows(study: StudyResult) -> list[Row]:
    """Return the rows of points.csv; what was not measured is None."""
    targets = sorted({t for found in study.cells for t in found.cell.targets})
    return [_row(found, targets) for found in study.cells]


def curve_rows(study: StudyResult) -> list[Row]:
    """Return the rows of curves.csv: every evaluation of every cell."""
    rows: list[Row] = []
    for found in study.cells:
        if found.result is None:
            continue
        sent = 0
        for closed in found.result.rounds:
            sent += closed.wire_up + closed.wire_down
            if closed.accuracy is not None:
                rows.append(
                    {
                        "point": found.point.number,
                        "seed": found.cell.seed,
                        "label": found.cell.label,
                        "round": closed.index,
                        "virtual_time_s": closed.virtual_time_s,
                        "wire_bytes": sent,
                        "accuracy": closed.accuracy,
                    }
                )
    return rows


def _row(found: CellResult, targets: Sequence[float]) -> Row:
    result = found.result
    row: Row = {
        "point": found.point.number,
        **found.point.labels,
        "seed": found.cell.seed,
        "label": found.cell.label,
        "method": found.cell.method,
        "status": found.status,
    }
    row |= dict.fromkeys(_EMPTY)
    if result is not None:
        row |= _figures(result)
    for target in targets:
        row[f"time_to_{target}_s"] = None if result is None else result.time_to(target)
        row[f"bytes_to_{target}"] = None if result is None else result.bytes_to(target)
    row["learning_digest"] = None if result is None else result.learning_digest
    row["event_digest"] = None if result is None else result.event_digest
    row["weights_digest"] = None if result is None else result.weights_digest
    row["curve"] = found.curve
    row["note"] = found.infeasible if result is None else result.ended
    return row


def _figures(result: MethodResult) -> Row:
    rounds = result.rounds
    told = result.summary({})
    client_rounds = sum(r.clients for r in rounds)
    wire = sum(r.wire_up for r in rounds), sum(r.wire_down for r in rounds)
    accuracy = told["accuracy"] or {"final": None, "best": None}
    return {
        "rounds": len(rounds),
        "virtual_time_s": result.virtual_time_s,
        "round_time_mean_s": told["round_time_s"]["mean"],
        "additive_round_time_s": told["additive_round_time_s"],
        "wire_bytes_up": wire[0],
        "wire_bytes_down": wire[1],
        "wire_bytes_per_client_round": sum(wire) / client_rounds if client_rounds else None,
        "energy_j": told["energy_j"],
        "server_wait_mean_s": told["server_wait_s"]["mean"],
        "idle_fraction_clients": told["idle_fraction"]["clients"],
        "idle_fraction_server": told["idle_fraction"]["server"],
        **{
            f"critical_{phase}_s": _mean([r.critical_path_s[phase] for r in rounds])
            for phase in PHASES
        },
        "accuracy_final": accuracy["final"],
        "accuracy_best": accuracy["best"],
    }


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


_EMPTY = (
    "rounds",
    "virtual_time_s",
    "round_time_mean_s",
    "additive_round_time_s",
    "wire_bytes_up",
    "wire_bytes_down",
    "wire_bytes_per_client_round",
    "energy_j",
    "server_wait_mean_s",
    "idle_fraction_clients",
    "idle_fraction_server",
    *(f"critical_{phase}_s" for phase in PHASES),
    "accuracy_final",
    "accuracy_best",
)
