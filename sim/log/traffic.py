"""The bytes of a round by category: what its messages carry, up and down.

A message belongs to the category of its activity. Its further parts, such as the labels beside an
activation, count in theirs; its framing counts in its own. A transfer that was cut off has no payload:
its bytes count in the category of its message.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.errors import UserError
from cutlayer.sim.log.intervals import Activity, Intervals, Phase

Parts = tuple[tuple[str, int], ...]  # categories and payload bytes

UP, DOWN = "up", "down"
DIRECTIONS: Final = {Phase.UPLINK: UP, Phase.DOWNLINK: DOWN}
LABELS, LOGITS = "labels", "logits"
OF_ACTIVITY: Final = {
    Activity.WEIGHTS: "weights",
    Activity.ACTIVATION: "activations",
    Activity.GRADIENT: "gradients",
    Activity.LOGITS: LOGITS,
    Activity.IMAGES: "images",
    Activity.CONTROL: "control",
}
CATEGORIES: Final = ("weights", "activations", "gradients", LABELS, LOGITS, "images", "control")


def key_of(direction: str, category: str) -> str:
    """Return the key of a category in one direction, such as "up_weights"."""
    return f"{direction}_{category}"


def count_parts(
    intervals: Intervals, parts: Mapping[int, Parts]
) -> Mapping[tuple[int, int, Parts], int]:
    """Return how many transfers have equal parts, by phase, activity and parts.

    `parts` has those of each row whose message has parts beside its main one and arrived whole.
    """
    rows = np.fromiter(parts, dtype=np.intp, count=len(parts))
    phases, activities = intervals.phase[rows].tolist(), intervals.activity[rows].tolist()
    return Counter(zip(phases, activities, parts.values(), strict=True))


def by_category(
    intervals: Intervals, moved: NDArray[np.int64], counted: Mapping[tuple[int, int, Parts], int]
) -> dict[str, int]:
    """Return the sum of each interval's bytes (`moved`) by `key_of`, without those that are 0.

    `counted` is what `count_parts` returns. Raises UserError if a method of one's own sends something
    that has no category.
    """
    totals: dict[str, int] = {}
    for phase, direction in DIRECTIONS.items():
        rows = np.flatnonzero(intervals.of(phase))
        sums = np.zeros(len(Activity), dtype=np.int64)
        np.add.at(sums, intervals.activity[rows], moved[rows])
        for activity in map(Activity, np.flatnonzero(sums).tolist()):
            totals[key_of(direction, _category(activity))] = int(sums[activity])
    for (number, main_activity, pieces), count in counted.items():
        direction = DIRECTIONS[Phase(number)]
        for category, size in pieces:
            if category not in CATEGORIES:
                raise UserError(
                    f"a message has a part {category!r}, not one of {', '.join(CATEGORIES)}"
                )
            of = key_of(direction, category)
            totals[of] = totals.get(of, 0) + count * size
            main = key_of(direction, _category(Activity(main_activity)))
            totals[main] = totals.get(main, 0) - count * size
    return {name: size for name, size in totals.items() if size}


def _category(activity: Activity) -> str:
    if activity not in OF_ACTIVITY:
        known = ", ".join(one.name for one in OF_ACTIVITY)
        raise UserError(f"a message has the activity {activity.name}, not one of {known}")
    return OF_ACTIVITY[activity]
