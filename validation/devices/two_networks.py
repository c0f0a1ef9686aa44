"""Fit a profile to two networks, as `cutlayer fit` does, and print its error on the others.

    python validation/devices/two_networks.py

The public rows (rows.csv) have a stack with seven networks on a Raspberry Pi 4B and four of them on a
Pi 5. The fit begins with what is known without that stack (the board of fit_catalogue.py, fitted to the
rows of other programs on the Pi 4B), or without the Pi 5 (the catalogue's Pi 4B). Pairs of a dense and a
light network are what the documentation recommends; the other pairs show why.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import log
from statistics import fmean
from typing import Final

import numpy as np
from fit_catalogue import BOARD, FREE, FREE_STACKS, LOADER, STACKS, public_rows

from cutlayer.sim.calibrate.adjust import Freedom, adjust, spread_of_time
from cutlayer.sim.calibrate.fitted_device import fit_device
from cutlayer.sim.calibrate.kinds import kind_of
from cutlayer.sim.calibrate.timed_csv import TimedIteration
from cutlayer.topologies import DeviceProfile, catalogue
from cutlayer.topologies.covariance import Covariance

STACK: Final = "pytorch-jpeg-loader"
REFERENCE: Final = (
    "pytorch-python-loader"  # of the Pi 4B's figures, where the other stack is left out
)
ONE_SIDED: Final = 1.645  # standard deviations of a normal distribution, for 90 % on both sides


@dataclass(frozen=True)
class Pair:
    """A fit to two networks of a board, and its errors on the rows of the others.

    `errors` are relative, by network and pass; `before` those of the device that the fit began with;
    `inside` is the share of rows in the 90 % interval of their prediction.
    """

    board: str
    networks: tuple[str, str]
    kinds: tuple[str, str]
    errors: dict[str, float]
    before: dict[str, float]
    inside: float

    @property
    def recommended(self) -> bool:
        """Whether one network is dense and the other light."""
        return set(self.kinds) == {"dense", "light"}

    def mean(self, what: str = "") -> float:
        """Return the mean absolute error, of all rows or of those of a pass."""
        return fmean(abs(error) for name, error in self.errors.items() if name.endswith(what))


def two_networks() -> list[Pair]:
    """Return the fits to all pairs of networks on both boards."""
    rows = public_rows()
    found = []
    for board, base in (
        ("raspberry-pi-4b", without_stack(rows)),
        ("raspberry-pi-5", catalogue.device("raspberry-pi-4b")),
    ):
        mine = [one for one in rows if (one.device, one.row.stack) == (board, STACK)]
        found += list(_pairs(board, base, mine))
    return found


def without_stack(rows: Sequence[TimedIteration]) -> DeviceProfile:
    """Return the Raspberry Pi 4B as it is known from the rows of other stacks, with its covariance."""
    others = [
        one.row for one in rows if one.device == "raspberry-pi-4b" and one.row.stack in STACKS
    ]
    others = [row for row in others if row.stack != STACK]
    free = {**FREE_STACKS, REFERENCE: {**LOADER, "loop_s_per_iteration": 1.0}}
    found = adjust(BOARD, STACKS, others, Freedom(FREE, free))
    names = [name for name in found.names if name in FREE]
    at = [found.names.index(name) for name in names]
    known = Covariance.of(names, found.covariance[np.ix_(at, at)])
    return replace(found.device, covariance=known)


def _pairs(board: str, base: DeviceProfile, rows: Sequence[TimedIteration]) -> Iterator[Pair]:
    networks = dict.fromkeys(one.row.network for one in rows)
    kinds = {one.row.network: kind_of(one, base) for one in rows if one.row.what == "whole step"}
    for pair in combinations(networks, 2):
        fitted = fit_device(base, None, [one for one in rows if one.row.network in pair], board)
        others = [one for one in rows if one.row.network not in pair]
        inside = [
            abs(log(fitted.seconds(one) / one.row.seconds))
            <= ONE_SIDED * spread_of_time(fitted.profile, one.row)
            for one in others
        ]
        yield Pair(
            board,
            pair,
            (kinds[pair[0]], kinds[pair[1]]),
            {_name(one): fitted.seconds(one) / one.row.seconds - 1 for one in others},
            {_name(one): fitted.seconds_before(one) / one.row.seconds - 1 for one in others},
            fmean(inside),
        )


def _name(one: TimedIteration) -> str:
    return f"{one.row.network} {one.row.what}"


def main() -> None:
    """Print the table."""
    pairs = two_networks()
    print(f"{'board':16} {'timed networks':33} {'kinds':14} steps  all  before  inside 90 %")
    for one in sorted(pairs, key=lambda one: (one.board, not one.recommended, one.mean())):
        before = fmean(abs(error) for error in one.before.values())
        print(
            f"{one.board:16} {' '.join(one.networks):33} {' '.join(one.kinds):14}"
            f" {one.mean('step'):4.0%} {one.mean():5.0%} {before:6.0%} {one.inside:8.0%}"
        )
    for title, some in (
        ("one dense, one light", [one for one in pairs if one.recommended]),
        ("two of one kind", [one for one in pairs if one.kinds[0] == one.kinds[1]]),
        ("with a mixed one", [one for one in pairs if "mixed" in one.kinds]),
    ):
        print(
            f"{title}: mean error {fmean(one.mean('step') for one in some):.1%} of steps,"
            f" {fmean(one.mean() for one in some):.1%} of all rows;"
            f" {fmean(one.inside for one in some):.0%} inside their intervals"
        )


if __name__ == "__main__":
    main()
