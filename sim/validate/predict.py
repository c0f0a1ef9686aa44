"""Predict the measured figures of a testbed from its scenario, without training."""

from collections.abc import Sequence
from statistics import fmean
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.build.plan import Plan
from cutlayer.sim.files.user_csv import UserCsvError
from cutlayer.sim.log.intervals import PHASES, Activity, Intervals, Phase
from cutlayer.sim.log.record import RoundRecord, finished_s
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.run.play import play
from cutlayer.sim.validate.measured import Measured
from cutlayer.suggestion import suggestion

_ON_DEVICE: Final = {
    "load": Activity.LOAD,
    "forward": Activity.FORWARD,
    "backward": Activity.BACKWARD,
    "train": Activity.TRAIN,
}
_STEPS: Final = ("forward", "backward", "train")  # of which a method has only some
_TRANSFERS: Final = {  # phase, and whether of weights
    "weights_down": (Phase.DOWNLINK, True),
    "gradients_down": (Phase.DOWNLINK, False),
    "activations_up": (Phase.UPLINK, False),
    "weights_up": (Phase.UPLINK, True),
}


def check_rows(rows: Sequence[Measured], plan: Plan) -> None:
    """Check the rounds and clients of the rows. Raises UserCsvError for the first that is unknown."""
    rounds, clients = plan.scenario.training.rounds, plan.topology.clients
    for row in rows:
        if row.round is not None and row.round >= rounds:
            raise UserCsvError(
                f"{row.where}: round: the last round of the scenario is {rounds - 1} (got {row.round});"
                f" --set training.rounds={row.round + 1} adds it"
            )
        if row.client is not None and row.client not in clients:
            close = suggestion(row.client, clients)
            raise UserCsvError(f"{row.where}: client: unknown client {row.client!r}{close}")
        if row.what == "iteration" and row.client is None and len({*_iterations(plan), 0}) > 2:
            raise UserCsvError(
                f"{row.where}: client: the clients differ in their iterations per round: name one"
            )


def predicted(rows: Sequence[Measured], plan: Plan) -> list[tuple[float, float]]:
    """Return the seconds and the traffic in bytes that belong to each row.

    Every method is played once, for all rounds of the scenario. Raises UserCsvError for a row whose
    round or client does not occur.
    """
    results = {}
    for entry in plan.scenario.methods:
        own = [row for row in rows if row.method == entry.label]
        if own:
            within = any(
                row.client is not None or row.what not in ("round", "iteration") for row in own
            )
            result = results[entry.label] = play(plan, entry, keep_all=within)
            if result.stalled:
                raise UserCsvError(f"{own[0].where}: method: {entry.label} stalls: {result.ended}")
    return [_of_row(row, results[row.method], plan) for row in rows]


def _of_row(row: Measured, result: MethodResult, plan: Plan) -> tuple[float, float]:
    chosen = _rounds(row, result)
    traffic = fmean(closed.wire_up + closed.wire_down for closed in chosen)
    if row.what == "iteration":
        all_, clients = _iterations(plan), plan.topology.clients
        own = max(all_) if row.client is None else all_[clients.index(row.client)]
        return _seconds(row, chosen, result) / own, traffic
    return _seconds(row, chosen, result), traffic


def _rounds(row: Measured, result: MethodResult) -> list[RoundResult]:
    """Return the rounds that a row covers."""
    rounds, label = result.rounds, result.label
    if not rounds or (row.round is not None and row.round >= len(rounds)):
        count = f"{len(rounds)} round{'s' * (len(rounds) != 1)}"
        raise UserCsvError(
            f"{row.where}: round: {label} ends after {count}: {result.ended or 'a limit of stop'}"
        )
    if row.round is not None:
        rounds = [rounds[row.round]]
    if row.round_type is None:
        return rounds
    types = list(dict.fromkeys(closed.round_type for closed in rounds))
    if row.round_type not in types:
        rule = (
            f"unknown type {row.round_type!r} of a round of {label}{suggestion(row.round_type, types)}"
            if row.round is None
            else f"round {row.round} of {label} is of type {types[0]!r} (got {row.round_type!r})"
        )
        raise UserCsvError(f"{row.where}: round_type: {rule}")
    return [closed for closed in rounds if closed.round_type == row.round_type]


def _seconds(row: Measured, chosen: Sequence[RoundResult], result: MethodResult) -> float:
    """Return the mean over the rounds, or over those in which the row's client took part."""
    whole = row.what in ("round", "iteration")
    if row.client is None and whole:
        return fmean(closed.round_time_s for closed in chosen)
    if row.client is None and row.what == "barrier":
        return fmean(closed.barrier_s for closed in chosen)
    if row.what in _STEPS:
        _check_step(row, result)
    indices = {closed.index for closed in chosen}
    kept = [one for one in result.kept if one.index in indices]
    if row.client is not None:
        kept = [one for one in kept if row.client in one.participants]
        if not kept:
            raise UserCsvError(
                f"{row.where}: client: {row.client} takes no part in the rounds of this row"
            )
    known: dict[tuple[int, int | None], float] = {}  # rounds of equal timing share their record
    times = []
    for one in kept:
        member = None if row.client is None else one.participants.index(row.client)
        key = (id(one.record), member)
        if key not in known:
            known[key] = _of_record(row.what, one.record, member)
        times.append(known[key])
    return fmean(times)


def _check_step(row: Measured, result: MethodResult) -> None:
    """Check that the method's devices have a step: a model that is not cut has only `train`."""
    records = [one.record.intervals for one in result.kept]
    there = [step for step in _ON_DEVICE if any(_rows(step, rows).any() for rows in records)]
    if row.what not in there:
        raise UserCsvError(
            f"{row.where}: what: the devices of {result.label} have {', '.join(there) or 'no steps'}"
            f" (got {row.what!r})"
        )


def _of_record(what: str, record: RoundRecord, member: int | None) -> float:
    intervals = record.intervals
    if what in ("round", "iteration"):
        assert member is not None, "rounds have their own time"
        return float(finished_s(intervals, record.members)[member])
    if what == "barrier":
        assert member is not None, "rounds have their own mean"
        return float(record.duration_s - finished_s(intervals, record.members)[member])
    rows = _rows(what, intervals)
    seconds = intervals.duration + intervals.delay
    if what == "aggregation":
        return float(seconds[rows].sum())
    if member is None:
        return float(seconds[rows].sum()) / max(record.members, 1)
    owner = np.where(intervals.actor < 0, intervals.peer, intervals.actor)
    return float(seconds[rows & (owner == member)].sum())


def _rows(what: str, intervals: Intervals) -> NDArray[np.bool_]:
    """Return which intervals belong to a part of a round."""
    activity = intervals.activity
    aggregates = activity == Activity.AGGREGATE.value
    if what in _ON_DEVICE:
        rows = intervals.of(Phase.DEVICE_COMPUTE) & (activity == _ON_DEVICE[what].value)
    elif what in _TRANSFERS:
        phase, of_weights = _TRANSFERS[what]
        rows = intervals.of(phase) & (intervals.of_weights() == of_weights)
    elif what == "aggregation":
        rows = intervals.of(Phase.SERVER_COMPUTE) & aggregates
    else:
        rows = intervals.of(Phase(PHASES.index(what))) & ~aggregates
    return np.asarray(rows, np.bool_)


def _iterations(plan: Plan) -> list[int]:
    """Return each client's iterations in a round; 0 for one that never takes part."""
    training = plan.scenario.training
    batches = -(-plan.trained_samples() // training.batch_size)
    return [int(number) for number in training.local_epochs * batches]
