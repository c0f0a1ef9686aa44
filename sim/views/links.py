"""How busy the links of a run are: over the run, within one round, and method by method."""

from collections.abc import Sequence
from typing import Final

from cutlayer.sim.log.window import WINDOW
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.critical_path import round_row
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.charts import Chart, Series
from cutlayer.sim.views.quantities import TIMES, common_unit, quantity, significant

MOST_LINKS: Final = 16
MOST_STRIPS: Final = 24  # of all methods together
FEWEST, MOST = 2, 6  # of one method
LONGEST: Final = 30  # letters of a name
NOTE: Final = "A strip is as high as the share of its capacity that a link carries; red: all of it."


def strips(run: SavedRun) -> list[tuple[Chart, Chart]]:
    """Return for each method the busiest links over the run, and within its first kept round."""
    if not run.has("utilisation"):
        return []
    rows: dict[str, list[Row]] = {}
    for row in run.table("utilisation"):
        rows.setdefault(str(row["label"]), []).append(row)
    most = max(FEWEST, min(MOST, MOST_STRIPS // max(len(rows), 1)))
    return [_pair(run, label, own, most) for label, own in rows.items()]


def _pair(run: SavedRun, label: str, rows: Sequence[Row], most: int) -> tuple[Chart, Chart]:
    links = list(dict.fromkeys(str(row["link"]) for row in rows))[:most]
    rounds = run.methods[label]["rounds"]
    noun = run.noun(label)
    whole = f"{label}: the run, {rounds} {noun}{'s' if rounds > 1 else ''}"
    over = _strip_chart(rows, links, 0, 0.0, float(run.methods[label]["virtual_time_s"]), whole)
    inside = [row for row in rows if row["detail"] == 1]
    if not inside:
        return over, _strip_chart((), links, 1, 0.0, 1.0, f"{label}: no {noun} is kept")
    index = int(inside[0]["round"] or 0)
    row = round_row(run, label, index)
    took = float(row["round_time_s"] or 0.0)
    begun = max(0.0, float(row["virtual_time_s"] or 0.0) - took)
    named = f"{noun} {index}" + (f" ({row['round_type']})" if noun != WINDOW else "")
    title = f"{label}: {named}, {quantity(took, TIMES)}"
    return over, _strip_chart(inside, links, 1, begun, took, title)


def _strip_chart(
    rows: Sequence[Row], links: Sequence[str], detail: int, begun: float, took: float, choice: str
) -> Chart:
    unit, factor = common_unit([took], TIMES)
    series = []
    totals = {}
    for link in links:
        edges: list[float] = []
        values: list[float] = []
        for row in rows:
            if row["link"] == link and row["detail"] == detail:
                start = (float(row["start_s"] or 0.0) - begun) / factor
                if not edges or start > edges[-1]:  # between rounds nothing is carried
                    values += [0.0] * bool(edges)
                    edges.append(start)
                edges.append((float(row["end_s"] or 0.0) - begun) / factor)
                values.append(float(row["utilisation"] or 0.0))
        name = link if len(link) <= LONGEST else f"{link[: LONGEST - 12]}...{link[-9:]}"
        name = name if name not in totals else link
        area = sum(v * (b - a) for v, a, b in zip(values, edges, edges[1:], strict=False))
        totals[name] = f"{significant(100 * area * factor / took, 2)} %" if took else ""
        series.append(Series(name, edges, values))
    return Chart(
        *("utilisation", "Link utilisation", "strips", series, f"virtual time ({unit})"),
        choice=choice,
        totals=totals,
        note=NOTE,
    )


def busiest_links(run: SavedRun) -> Chart | None:
    """Return a map of the utilisation of the busiest links by method, over the whole run."""
    rows = run.table("links")
    labels = list(run.methods)
    busiest: dict[str, float] = {}
    for row in rows:
        share = float(row["utilisation"] or 0.0)
        busiest[str(row["link"])] = max(busiest.get(str(row["link"]), 0.0), share)
    links = sorted(busiest, key=lambda name: -busiest[name])[:MOST_LINKS]
    if not links:
        return None
    at = {(str(r["label"]), str(r["link"])): r["utilisation"] for r in rows}
    shares = [[at.get((label, link)) for label in labels] for link in links]
    cells = [[float(v) if isinstance(v, int | float) else None for v in row] for row in shares]
    marks = [["-" if v is None else f"{v:.0%}" for v in row] for row in cells]
    note = "The share of its capacity that a link carried over the whole run."
    more = len(busiest) - len(links)
    note += f" {more} less busy ones are in links.csv." if more > 0 else ""
    grid = Series("", labels, links)
    return Chart(
        "links", "Link utilisation by method", "heat", [grid], cells=cells, marks=marks, note=note
    )
