"""Print how often the 90 % interval of a prediction holds the measured time, over all public rows.

    python validation/devices/coverage.py

Figures of the catalogue's devices, on the stack of each row, are drawn as in runs with `uncertainty`
(`cutlayer.sim.uncertainty`), and so is the error of the form, one for each draw. The catalogue was
fitted to these rows, but no spread was chosen by them. For networks and for whole architectures that
were left out of the fit, the interval is that of the error of the form alone. The error of a new
architecture is the root mean square of the errors on architectures that were left out. Rows of
transformers on a Raspberry Pi 5 (unseen.csv) were used for neither.
"""

import math
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Final

import numpy as np
from compare_forms import SHARED
from fit_catalogue import (
    BOARD,
    FREE,
    FREE_STACKS,
    ROWS,
    STACKS,
    fitted_pi_5,
    pi_left_out,
    public_rows,
    rows_of,
)
from numpy.typing import NDArray

from cutlayer.sim.calibrate.adjust import Freedom, adjust, predicted
from cutlayer.sim.calibrate.timed_csv import read_iterations
from cutlayer.sim.calibrate.timed_rows import TimedRow
from cutlayer.sim.uncertainty.factors import FORM, Factors, factor_name
from cutlayer.topologies import DeviceProfile, Stack
from cutlayer.topologies.catalogue import device, stack
from cutlayer.topologies.spreads import (
    NEW_FORM_ERROR,
    form_error_of,
    is_timed,
    spread_of,
    with_factors,
)
from cutlayer.topologies.stack import on_stack

DRAWS: Final = 300
INTERVAL: Final = 0.9
ONE_SIDED: Final = 1.645  # standard deviations of a normal distribution, for 90 % on both sides
# Machines whose figures were fitted to these rows themselves, and so are those of their stack.
OWN_STACK: Final = ("server-8-core", "laptop-8-core", "jetson-nano")
# Names that rows of an architecture have in common.
ARCHITECTURES: Final = ("vgg", "resnet", "mobilenet", "vit", "tinycnn", "dscnn")
UNSEEN: Final = ROWS.with_name("unseen.csv")


@dataclass(frozen=True)
class Covered:
    """A measured row of a device, and the interval of its prediction."""

    device: str
    row: TimedRow
    low: float
    high: float

    @property
    def inside(self) -> bool:
        """Whether the interval holds the measured time."""
        return self.low <= self.row.seconds <= self.high

    @property
    def kind(self) -> str:
        """The kind of the row: layers (passes over them), step or finetune."""
        what = self.row.what.split()[-1]
        return what if what in ("step", "finetune") else "passes"


def covered() -> list[Covered]:
    """Return all public rows with their intervals."""
    groups: dict[tuple[str, str], list[TimedRow]] = {}
    for one in public_rows():
        groups.setdefault((one.device, one.row.stack), []).append(one.row)
    return [
        Covered(name, row, *np.quantile(seconds, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2]))
        for (name, stack_name), rows in groups.items()
        for row, seconds in zip(rows, _drawn(name, stack_name, rows).T, strict=True)
    ]


def left_out_covered() -> list[Covered]:
    """Return the rows of the Raspberry Pi 4B that share a stack, each network left out of the fit."""
    board = device("raspberry-pi-4b")
    return [
        _around(board.name, row, seconds, form_error_of(board, timed=is_timed(row.network)))
        for row, seconds in pi_left_out().items()
        if row.stack in SHARED
    ]


def architectures_left_out() -> list[Covered]:
    """Return the rows of both Raspberry Pis, each architecture left out of the fits of both boards."""
    rows = rows_of("raspberry-pi-4b", *STACKS)
    found = []
    for architecture in ARCHITECTURES:
        others = [row for row in rows if architecture not in row.network]
        board = adjust(BOARD, STACKS, others, Freedom(FREE, FREE_STACKS))
        twice, _ = fitted_pi_5(board, architecture)
        found += [
            _around(name, row, fit.seconds(row), NEW_FORM_ERROR)
            for name, fit, own in (
                ("raspberry-pi-4b", board, rows),
                ("raspberry-pi-5", twice, rows_of("raspberry-pi-5")),
            )
            for row in own
            if architecture in row.network and row.stack in SHARED
        ]
    return found


def error_of_architectures(found: list[Covered], without: str = "none") -> float:
    """Return the root mean square of the logarithms of errors, of all architectures but one."""
    return math.sqrt(
        fmean(
            math.log(math.sqrt(one.low * one.high) / one.row.seconds) ** 2
            for one in found
            if without not in one.row.network
        )
    )


def unseen() -> list[Covered]:
    """Return rows of transformers on a Raspberry Pi 5 with their intervals by the catalogue."""
    found = []
    for one in read_iterations(UNSEEN):
        board, program = device(one.device), stack(one.row.stack)
        seconds = predicted(board, program, one.row)
        error = form_error_of(board, timed=is_timed(one.row.network))
        found.append(_around(one.device, one.row, seconds, error))
    return found


def _around(name: str, row: TimedRow, seconds: float, error: float) -> Covered:
    """Return a row with the interval of a prediction by the error of the form alone."""
    reach = math.exp(ONE_SIDED * error)
    return Covered(name, row, seconds / reach, seconds * reach)


def share(rows: list[Covered]) -> float:
    """Return the share of rows whose interval holds the measured time."""
    return sum(one.inside for one in rows) / len(rows)


def _drawn(name: str, stack_name: str, rows: list[TimedRow]) -> NDArray[np.float64]:
    """Return the seconds of rows, draws by rows."""
    profile = device(name)
    if name not in OWN_STACK:
        profile = on_stack(profile, stack(stack_name))
    wider = {
        row.network: form_error_of(profile, timed=is_timed(row.network)) / form_error_of(profile)
        for row in rows
    }
    found = []
    for number in range(DRAWS):
        form, drawn = _draw(profile, number)
        loop = Stack(
            "drawn",
            loader_s_per_sample=drawn.loader_s_per_sample,
            loop_s_per_iteration=drawn.iteration_overhead_s,
        )
        found.append([form ** wider[row.network] * predicted(drawn, loop, row) for row in rows])
    return np.array(found)


def _draw(profile: DeviceProfile, number: int) -> tuple[float, DeviceProfile]:
    """Return a draw of the error of the form and of the profile, on whose stack host speed is 1."""
    spreads = {**spread_of(profile), FORM: form_error_of(profile)}
    names = {factor_name(profile.name, figure): figure for figure in spreads}
    factors = Factors({name: spreads[figure] for name, figure in names.items()}).draw(0, number)
    by_figure = {names[name]: factor for name, factor in factors.items()}
    return by_figure.pop(FORM), replace(with_factors(profile, by_figure), host_speed=1.0)


def main() -> None:
    """Print the table."""
    found = covered()
    groups: dict[tuple[str, str, str], list[Covered]] = {}
    for one in found:
        groups.setdefault((one.device, one.row.stack, one.kind), []).append(one)
    for (name, stack_name, kind), rows in groups.items():
        width = np.median([one.high / one.low for one in rows])
        inside = sum(one.inside for one in rows)
        print(
            f"{name:22}{stack_name:24}{kind:10}{inside:4} of {len(rows):3}   high / low {width:.2f}"
        )
    for one in found:
        if not one.inside:
            what = f"{one.row.network} {one.row.what}"
            print(
                f"  outside: {one.device:22}{what:26}{one.row.seconds:8.3f} s,"
                f" {one.low:.3f} to {one.high:.3f}"
            )
    print(f"inside: {share(found):.1%} of {len(found)} rows")
    without = left_out_covered()
    print(f"inside with the network left out: {share(without):.1%} of {len(without)} rows")
    without = architectures_left_out()
    print(
        f"inside with the architecture left out: {share(without):.1%} of {len(without)} rows, whose"
        f" root mean square error is {error_of_architectures(without):.3f}"
        f" ({error_of_architectures(without, 'vit'):.3f} without the ViT)"
    )
    for one in [*without, *unseen()]:
        middle = math.sqrt(one.low * one.high)
        print(
            f"  {one.device:16}{one.row.network:18}{one.row.what:16}{one.row.seconds:8.3f} s,"
            f" predicted {middle:.3f} ({middle / one.row.seconds - 1:+.0%}),"
            f" {one.low:.3f} to {one.high:.3f}{'' if one.inside else '  outside'}"
        )
    print(f"inside of the rows that no fit has seen: {share(unseen()):.1%}")


if __name__ == "__main__":
    main()
