"""Place labels next to the points of a plot so that they cover neither each other nor the lines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]

LETTER: Final = 0.62
"""Mean width of a letter over the size of the font (DejaVu Sans)."""

LINE_HEIGHT: Final = 1.25
GAP: Final = 9.0
"""Points between a point and its label, so that the node's mark stays free."""

SAMPLES: Final = 24


@dataclass(frozen=True)
class Box:
    """A rectangle in points."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """Return the area of the intersection."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)

    def holds(self, point: Point) -> bool:
        """Return whether a point is inside."""
        return self.left <= point[0] <= self.right and self.bottom <= point[1] <= self.top


class Labels:
    """The labels of one plot; each is placed where it covers least."""

    def __init__(self, axes: "Axes", lines: Iterable[tuple[Point, Point]]) -> None:
        """Prepare for axes whose limits are final."""
        self._axes = axes
        self._to_points = 72.0 / axes.figure.dpi
        self._taken: list[Box] = []
        self._ink: list[Point] = []
        for here, there in lines:
            (x0, y0), (x1, y1) = self._at(here), self._at(there)
            for step in range(SAMPLES + 1):
                t = step / SAMPLES
                self._ink.append((x0 + t * (x1 - x0), y0 + t * (y1 - y0)))

    def mark(self, at: Point, radius: float) -> None:
        """Keep the marker of a node uncovered."""
        x, y = self._at(at)
        self._taken.append(Box(x - radius, y - radius, x + radius, y + radius))

    def on_line(self, here: Point, there: Point, text: str, size: float, colour: str) -> None:
        """Write on a line, near its middle, on a white background."""
        candidates = []
        for share in (0.5, 0.4, 0.6, 0.3, 0.7):
            at = here[0] + share * (there[0] - here[0]), here[1] + share * (there[1] - here[1])
            box = self._box(self._at(at), text, size, 0.0, 0.0)
            candidates.append((self._covered(box), at, box))
        _, at, box = min(candidates, key=lambda candidate: candidate[0])
        self._taken.append(box)
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.9}
        self._axes.text(
            *at, text, ha="center", va="center", fontsize=size, color=colour, bbox=ground
        )

    def beside(self, at: Point, text: str, size: float, colour: str) -> None:
        """Write next to a point, on the one of eight sides that covers least."""
        sides = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)]
        candidates = []
        for rank, (dx, dy) in enumerate(sides):
            box = self._box(self._at(at), text, size, dx, dy)
            cost = rank + self._covered(box) + 40.0 * sum(map(box.holds, self._ink))
            candidates.append((cost, dx, dy, box))
        _, dx, dy, box = min(candidates, key=lambda candidate: candidate[0])
        self._taken.append(box)
        self._axes.annotate(
            text,
            at,
            _offset(dx, dy),
            textcoords="offset points",
            ha={0: "center", 1: "left", -1: "right"}[dx],
            va={0: "center", 1: "bottom", -1: "top"}[dy],
            fontsize=size,
            color=colour,
        )

    def _covered(self, box: Box) -> float:
        return sum(map(box.overlap, self._taken))

    def _at(self, point: Point) -> Point:
        x, y = self._axes.transData.transform(point)
        return float(x) * self._to_points, float(y) * self._to_points

    def _box(self, at: Point, text: str, size: float, dx: float, dy: float) -> Box:
        lines: Sequence[str] = text.splitlines()
        width = LETTER * size * max(len(line) for line in lines)
        height = LINE_HEIGHT * size * len(lines)
        shift = _offset(dx, dy)
        x = at[0] + shift[0] + (dx - 1) / 2 * width
        y = at[1] + shift[1] + (dy - 1) / 2 * height
        return Box(x, y, x + width, y + height)


def _offset(dx: float, dy: float) -> Point:
    gap = GAP * (0.6 if dx and dy else 1.0)
    return gap * dx, gap * dy
