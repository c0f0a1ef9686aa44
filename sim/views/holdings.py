"""Draw who holds what: the samples of each client by class, as circles or, for many, as colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cutlayer.sim.views.style import (
    BLUE,
    GREY,
    LIGHT_GREY,
    SMALL_TEXT_SIZE,
    TEXT_SIZE,
    dress,
    new_figure,
    save,
    shown,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_CIRCLES: Final = 50  # clients, and classes, that are drawn as circles
MAX_NAMED: Final = 50  # clients or classes with their names
CELL_INCHES: Final = 0.34
BAR_INCHES: Final = 2.2
LETTER_INCHES: Final = 0.092
MAX_LETTERS: Final = 24
DIAMETER: Final = 0.92  # of the largest circle, in cells
SMALLEST: Final = 0.07  # diameter of a circle that can be seen
TALLEST: Final = 7.5  # inches of a picture of colours


@dataclass(frozen=True, eq=False)
class Holdings:
    """The training samples of each client by class, int64 [clients, classes].

    `noun` says what the classes are: classes, or the bins of a number.
    """

    scenario: str
    dataset: str
    clients: Sequence[str]
    classes: Sequence[str]
    counts: NDArray[np.int64]
    noun: str = "class"


def write_holdings(holdings: Holdings, path: Path, *, replace: bool = True) -> Path:
    """Draw holdings into a file; its suffix is the format: png, svg or pdf. Raises OutputError."""
    ending = path.suffix.removeprefix(".")
    (written,) = save(holdings_figure(holdings), path.parent, path.stem, [ending], replace=replace)
    return written


def holdings_figure(holdings: Holdings) -> "Figure":
    """Return the plot: clients below each other, classes side by side, and all samples of a client."""
    clients, classes = holdings.counts.shape
    circles = max(clients, classes) <= MAX_CIRCLES
    names = _names(holdings.clients) if clients <= MAX_NAMED else []
    labels = _names(holdings.classes) if classes <= MAX_NAMED else []
    turned = max(map(len, labels), default=0) * LETTER_INCHES > CELL_INCHES
    left = LETTER_INCHES * max(map(len, names), default=4) + 0.5
    below = (LETTER_INCHES * max(map(len, labels)) if turned else 0.2) + 0.6
    width = (
        max(classes * CELL_INCHES, 2.2) if circles else max(min(classes * CELL_INCHES, 6.0), 3.0)
    )
    height = max(clients * CELL_INCHES, 0.7) if circles else min(clients * CELL_INCHES, TALLEST)
    figure = new_figure(left + width + BAR_INCHES + 0.4, height + below + 0.8)
    grid, bars = figure.subplots(
        1, 2, sharey=True, width_ratios=(width, BAR_INCHES), gridspec_kw={"wspace": 0.03}
    )
    if circles:
        _draw_circles(grid, holdings.counts)
    else:
        _draw_colours(figure, grid, holdings.counts, holdings.noun)
    _draw_sizes(bars, holdings.counts.sum(axis=1))
    grid.set_xlim(-0.5, classes - 0.5)
    grid.set_ylim(clients - 0.5, -0.5)
    grid.tick_params(length=0, labelsize=SMALL_TEXT_SIZE)
    if labels:
        grid.set_xticks(range(classes), labels, rotation=90 if turned else 0, ha="center", va="top")
    if names:
        grid.set_yticks(range(clients), names)
    grid.set_xlabel(holdings.noun, fontsize=TEXT_SIZE)
    grid.set_ylabel("" if names else "client", fontsize=TEXT_SIZE)
    title = f"{holdings.scenario}: training samples ({shown([holdings.dataset])[0]})"
    figure.suptitle(title, fontsize=TEXT_SIZE, x=0.01, ha="left")
    return figure


def _names(texts: Sequence[str]) -> list[str]:
    cut = [text if len(text) <= MAX_LETTERS else f"{text[: MAX_LETTERS - 1]}…" for text in texts]
    return shown(cut)


def _draw_circles(axes: "Axes", counts: NDArray[np.int64]) -> None:
    """Draw a circle for each client and class, whose area is the number of samples."""
    from matplotlib.collections import EllipseCollection

    rows, columns = np.nonzero(counts)
    largest = max(int(counts.max()), 1)
    diameters = np.maximum(DIAMETER * np.sqrt(counts[rows, columns] / largest), SMALLEST)
    axes.set_aspect("equal", anchor="NE")
    axes.set_xticks(np.arange(counts.shape[1]))
    axes.set_yticks(np.arange(counts.shape[0]))
    axes.grid(visible=True, color=LIGHT_GREY, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    circles = EllipseCollection(
        diameters,
        diameters,
        np.zeros(len(diameters)),
        units="xy",
        offsets=np.stack([columns, rows], axis=1),
        offset_transform=axes.transData,
        facecolor=BLUE,
        linewidth=0,
        zorder=2,
    )
    axes.add_collection(circles)
    text = f"largest circle: {largest:,} sample{'s' if largest > 1 else ''}"
    axes.set_title(text, fontsize=SMALL_TEXT_SIZE, color=GREY, loc="left")


def _draw_colours(figure: "Figure", axes: "Axes", counts: NDArray[np.int64], noun: str) -> None:
    """Draw a cell for each client and class, whose colour is the number of samples."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("samples", ["white", "#9fc5e0", BLUE, "#00263d"])
    clients, classes = counts.shape
    image = axes.imshow(
        counts,
        cmap=colours,
        vmin=0,
        vmax=max(int(counts.max()), 1),
        aspect="auto",
        interpolation="nearest" if clients <= 500 else "antialiased",
        extent=(-0.5, classes - 0.5, clients - 0.5, -0.5),
    )
    bar = figure.colorbar(image, ax=axes, location="top", aspect=40, pad=0.02)
    what = "samples of a class" if noun == "class" else "samples of a bin"
    bar.set_label(what, fontsize=SMALL_TEXT_SIZE, color=GREY)
    bar.ax.tick_params(labelsize=SMALL_TEXT_SIZE - 1)
    bar.outline.set_visible(False)


def _draw_sizes(axes: "Axes", sizes: NDArray[np.int64]) -> None:
    """Draw a bar with all samples of each client."""
    few = len(sizes) <= MAX_NAMED
    axes.barh(np.arange(len(sizes)), sizes, height=0.62 if few else 1.0, color=GREY)
    dress(axes, "x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelleft=False)
    axes.set_xlabel("samples of the client", fontsize=TEXT_SIZE)
    axes.locator_params(axis="x", nbins=3, integer=True)
    if few:
        axes.set_xlim(0, max(int(sizes.max()), 1) * 1.3)
        for row, size in enumerate(sizes):
            axes.annotate(
                f"{size:,}",
                (size, row),
                (3, 0),
                textcoords="offset points",
                va="center",
                fontsize=SMALL_TEXT_SIZE - 1,
            )
