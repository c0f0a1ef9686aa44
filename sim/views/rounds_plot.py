"""Bytes and time per round, method by method, and who was idle meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Final

import numpy as np

from cutlayer.sim.files.plain_text import visible
from cutlayer.sim.log.intervals import PHASES, Phase
from cutlayer.sim.results.estimate import by_label, estimate, scenario_name
from cutlayer.sim.results.method import MethodResult, RunResult
from cutlayer.sim.results.round import RoundResult
from cutlayer.sim.views import style
from cutlayer.sim.views.quantities import BYTES, TIMES, Unit, common_unit, quantity, significant

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BAR_HEIGHT: Final = 0.62
FAR: Final = 100  # a total so many times below the largest is written in a unit of its own


@dataclass(frozen=True)
class Bar:
    """A method's mean round, or its mean round of one type (`part`).

    `wire_bytes` are those up and down per client; `phase_s` are the seconds of each phase on the
    critical path, which add up to the round; the idle fractions belong to the whole method.
    """

    label: str
    part: bool
    wire_bytes: tuple[float, ...]
    phase_s: tuple[float, ...]
    clients_idle: float | None = None
    server_idle: float | None = None


def bars(runs: Sequence[RunResult]) -> list[Bar]:
    """Return one bar per method and, where its rounds are of several types, one per type below."""
    found = []
    for label, results in by_label(runs).items():
        rounds = [rnd for result in results for rnd in result.rounds]
        found.append(_bar(label, False, rounds, results))
        round_types = list(dict.fromkeys(rnd.round_type for rnd in rounds))
        if len(round_types) > 1:
            found.extend(
                _bar(
                    f"{round_type} rounds",
                    True,
                    [rnd for rnd in rounds if rnd.round_type == round_type],
                    (),
                )
                for round_type in round_types
            )
    return found


def _bar(
    label: str, part: bool, rounds: Sequence[RoundResult], results: Sequence[MethodResult]
) -> Bar:
    clients = sum(rnd.clients for rnd in rounds) or 1
    idle = [result.summary({})["idle_fraction"] for result in results]
    at_clients = estimate(fractions["clients"] for fractions in idle)
    at_server = estimate(fractions["server"] for fractions in idle)
    return Bar(
        label,
        part,
        (sum(r.wire_up for r in rounds) / clients, sum(r.wire_down for r in rounds) / clients),
        tuple(float(np.mean([r.critical_path_s[phase] for r in rounds])) for phase in PHASES),
        at_clients.mean if at_clients else None,
        at_server.mean if at_server else None,
    )


def rounds_figure(runs: Sequence[RunResult]) -> "Figure | None":
    """Return the picture (bytes, time, idle shares side by side), or None without any round."""
    rows = bars(runs)
    if not rows:
        return None
    figure = style.new_figure(15.0, 2.5 + 0.52 * len(rows))
    left, middle, right = figure.subplots(1, 3, sharey=True, width_ratios=(4, 5, 2))
    left.set_yticks(range(len(rows)), [_tick(row) for row in rows])
    left.set_ylim(len(rows) - 0.5, -0.5)
    _stack(left, [r.wire_bytes for r in rows], ("up", "down"), BYTES, rows, "wire bytes per client")
    churned = any(row.phase_s[Phase.OFFLINE] for row in rows)
    phases = len(PHASES) if churned else Phase.OFFLINE  # the last one
    names = tuple(phase.replace("_", " ") for phase in PHASES[:phases])
    _stack(middle, [r.phase_s[:phases] for r in rows], names, TIMES, rows, "virtual time")
    _idle(right, rows)
    for tick, row in zip(left.get_yticklabels(), rows, strict=True):
        tick.set_color(style.GREY if row.part else style.BLACK)
    left.set_title("Bytes per client and round", fontsize=style.TEXT_SIZE, loc="left")
    middle.set_title("Time per round, by critical path", fontsize=style.TEXT_SIZE, loc="left")
    right.set_title("Idle share", fontsize=style.TEXT_SIZE, loc="left")
    from matplotlib.transforms import offset_copy

    for axes, columns in ((left, 2), (middle, 3), (right, 1)):
        axes.legend(
            loc="upper left",
            bbox_to_anchor=(0, 0),
            bbox_transform=offset_copy(axes.transAxes, figure, y=-0.75, units="inches"),
            borderaxespad=0,
            ncols=columns,
            fontsize=style.SMALL_TEXT_SIZE,
            frameon=False,
            handlelength=1.2,
            columnspacing=1.2,
        )
    figure.suptitle(
        f"{scenario_name(runs)} (simulated)", fontsize=style.TEXT_SIZE, x=0.01, ha="left"
    )
    return figure


def _tick(row: Bar) -> str:
    return row.label if row.part else fill(visible(row.label), 24)


def _stack(
    axes: "Axes",
    stacks: Sequence[tuple[float, ...]],
    names: Sequence[str],
    units: tuple[Unit, ...],
    rows: Sequence[Bar],
    quantity_name: str,
) -> None:
    """Draw stacked horizontal bars with their totals written at the end.

    The axis is linear, however far apart the totals lie: a colour is as long as its part.
    """
    style.dress(axes, "x")
    totals = [sum(stack) for stack in stacks]
    largest = max(totals)
    unit, factor = common_unit([largest], units)
    colours = style.PHASE_COLOURS if len(names) > 2 else (style.UP_COLOUR, style.DOWN_COLOUR)
    edge = np.zeros(len(rows))
    for part, name in enumerate(names):
        upto = np.array([sum(stack[: part + 1]) for stack in stacks]) / factor
        axes.barh(
            range(len(rows)),
            upto - edge,
            BAR_HEIGHT,
            left=edge,
            color=colours[part],
            edgecolor="white",
            linewidth=0.4,
            label=name,
        )
        edge = upto
    for row, total in enumerate(totals):
        axes.annotate(
            quantity(total, units)
            if total * FAR < largest
            else f"{significant(total / factor)} {unit}",
            (total / factor, row),
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL_TEXT_SIZE,
            color=style.GREY if rows[row].part else style.BLACK,
        )
    axes.set_xlim(0, largest / factor * 1.25 if largest else 1.0)
    axes.set_xlabel(f"{quantity_name} ({unit})\n", fontsize=style.SMALL_TEXT_SIZE)


def _idle(axes: "Axes", rows: Sequence[Bar]) -> None:
    """Draw the idle share of the clients and of the server as two marks per method."""
    style.dress(axes, "x")
    for name, marker, colour, offset in (
        ("clients", "o", style.GREEN, -0.12),
        ("server", "s", style.VERMILLION, 0.12),
    ):
        shares = [row.clients_idle if name == "clients" else row.server_idle for row in rows]
        known = [(100 * s, y + offset) for y, s in enumerate(shares) if s is not None]
        axes.plot(
            [x for x, _ in known],
            [y for _, y in known],
            marker,
            color=colour,
            markersize=9,
            label=name,
            clip_on=False,
        )
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 50, 100])
    axes.set_xlabel("of the virtual time (%)\n", fontsize=style.SMALL_TEXT_SIZE)
