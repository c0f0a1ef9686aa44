"""Predict sizes, memory and time of each method before a run, without tensors."""

from dataclasses import dataclass, replace
from typing import Final

from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.memory import edge_memory, memory_by_device, server_memory
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.methods.registry import options_of
from cutlayer.sim.run.play import play, scenario_stop

MAX_EVENTS: Final = 300_000  # of the clock, in all rounds that are played of one method


@dataclass(frozen=True)
class MethodPreview:
    """The prediction for one method. Bytes are wire bytes, memory is the peak in bytes.

    `stalled` says why a round can never end (None if every round can); the time is then that of the
    `rounds` before it.
    """

    label: str
    clients_per_round: int
    bytes_per_client_round: float | None
    virtual_time_s: float
    exact: bool
    memory_bytes: dict[str, int]
    server_memory_bytes: int
    edge_memory_bytes: dict[str, int]
    rounds: int = 0
    stalled: str | None = None


def preview(plan: Plan, rounds: int) -> list[MethodPreview]:
    """Play up to `rounds` rounds of every method and scale to the whole run.

    Fewer rounds are played if they have many events. The prediction is exact if all rounds were played;
    rounds that repeat cost nothing.
    """
    scenario: Scenario = plan.scenario
    previews = []
    for entry in scenario.methods:
        planned = min(rounds, scenario.training.rounds)
        stop = replace(scenario_stop(scenario), rounds=planned, events=MAX_EVENTS)
        result = play(plan, entry, stop=stop)
        played = len(result.rounds)
        exact = (
            result.stalled
            or played == scenario.training.rounds
            or (played < planned and result.ended is not None)
            or result.virtual_time_s >= stop.virtual_time_s
        )
        scale = 1.0 if exact else scenario.training.rounds / played
        client_rounds = sum(r.clients for r in result.rounds)
        previews.append(
            MethodPreview(
                label=entry.label,
                clients_per_round=min(scenario.clients_per_round, plan.able_clients()),
                bytes_per_client_round=(
                    result.wire_bytes / client_rounds if client_rounds else None
                ),
                virtual_time_s=result.virtual_time_s * scale,
                exact=exact,
                memory_bytes=memory_by_device(plan, options_of(entry)[0]),
                server_memory_bytes=server_memory(plan, *options_of(entry)),
                edge_memory_bytes=edge_memory(plan, *options_of(entry)),
                rounds=played,
                stalled=result.ended if result.stalled else None,
            )
        )
    return previews
