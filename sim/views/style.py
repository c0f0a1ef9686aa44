"""The style of all plots: colours that colour-blind readers can distinguish, sizes, and saving.

Colours are the palette of Okabe and Ito ("Color Universal Design", 2008); without its yellow,
whose thin lines are invisible on white. Figures are made without pyplot: no global state.
"""

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cutlayer.sim.files.atomic import whole_file
from cutlayer.sim.files.plain_text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

BLACK, GREY, LIGHT_GREY = "#000000", "#6b6b6b", "#d9d9d9"
ORANGE, SKY_BLUE, GREEN = "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"

METHOD_COLOURS: Final = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY_BLUE, BLACK, GREY)
METHOD_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "*")
LINE_STYLES: Final = ("-", "--", ":", "-.")
# By `cutlayer.sim.log.intervals.Phase`, as PHASES.
PHASE_COLOURS: Final = (GREEN, BLUE, LIGHT_GREY, VERMILLION, SKY_BLUE, ORANGE)
LIGHT_GREEN: Final = "#A8DDCB"  # of work that continues
STRIP_COLOURS: Final = (BLUE, VERMILLION)  # of `strip_areas`

TEXT_SIZE: Final = 13
SMALL_TEXT_SIZE: Final = 11
LOG_RATIO: Final = 20  # above this ratio of largest to smallest an axis is logarithmic


def new_figure(width_inches: float, height_inches: float) -> "Figure":
    """Return an empty figure that lays itself out when it is drawn."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inches, height_inches), layout="constrained")


def dress(axes: "Axes", grid: str) -> None:
    """Set the text size of axes, remove the box, and draw a light `grid` ("x", "y" or "both")."""
    axes.tick_params(which="both", labelsize=SMALL_TEXT_SIZE, colors=BLACK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis=grid, color=LIGHT_GREY, linewidth=0.8)  # type: ignore[arg-type]


def needs_log(values: Iterable[float]) -> bool:
    """Return whether the positive values differ by a factor of more than `LOG_RATIO`."""
    positive = [value for value in values if value > 0]
    return bool(positive) and max(positive) / min(positive) > LOG_RATIO


def plain_log_ticks(axis: "Axis") -> None:
    """Label a logarithmic axis with plain numbers, at 1, 2 and 5 if it is short."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if high / max(low, 1e-300) < 200 else (1.0,)
    axis.set_major_locator(LogLocator(base=10, subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def shown(texts: Iterable[str]) -> list[str]:
    """Return texts, which a user may have chosen, as labels of an axis."""
    return [visible(text) for text in texts]


def legend_name(text: str) -> str:
    """Return a text for a legend; matplotlib omits texts that begin with an underscore."""
    return f" {visible(text)}" if text.startswith("_") else visible(text)


def save(
    figure: "Figure", folder: Path, name: str, formats: Sequence[str], *, replace: bool = True
) -> list[Path]:
    """Write the figure as `name`.png and so on; the same figure gives the same bytes.

    Raises OutputError.
    """
    import matplotlib
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        text.set_parse_math(False)  # a user's label may hold any character
        text.set_usetex(False)
        text.set_text(visible(text.get_text()))
    paths = []
    with (
        matplotlib.rc_context(
            # The latter two for texts that are made while the figure is drawn.
            {"svg.hashsalt": "cutlayer", "text.parse_math": False, "text.usetex": False}
        ),
        warnings.catch_warnings(),
    ):
        # Letters that the font does not have are drawn as boxes.
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from")
        for extension in formats:
            path = folder / f"{name}.{extension}"
            dated = {"svg": "Date", "pdf": "CreationDate"}.get(extension, "Software")
            metadata = {dated: None}
            with whole_file(path, replace=replace) as part:
                figure.savefig(part, format=extension, dpi=150, metadata=metadata)
            paths.append(path)
            figure.set_layout_engine("none")  # it is laid out; another format needs no more
    return paths
