"""How much of its links a run used, and what its devices needed."""

from collections.abc import Mapping
from typing import Any

from cutlayer.sim.report.charts import Chart, Series, Table
from cutlayer.sim.report.numbers import mean, number
from cutlayer.sim.results.read import SavedRun
from cutlayer.sim.views.quantities import significant

MOST_LINKS = 16


def links_and_energy(run: SavedRun) -> list[Any]:
    """Return a map of the links in use and a table of the devices."""
    parts: list[Any] = []
    rows = run.table("links")
    labels = list(run.methods)
    busiest: dict[str, float] = {}
    for row in rows:
        share = float(row["utilisation"] or 0.0)
        busiest[str(row["link"])] = max(busiest.get(str(row["link"]), 0.0), share)
    links = sorted(busiest, key=lambda name: -busiest[name])[:MOST_LINKS]
    if links:
        at = {(str(r["label"]), str(r["link"])): r["utilisation"] for r in rows}
        cells = [[number(at.get((label, link))) for label in labels] for link in links]
        marks = [["-" if v is None else f"{v:.0%}" for v in row] for row in cells]
        more = len(busiest) - len(links)
        note = "The share of its capacity that a link carried over the whole run."
        note += f" {more} less busy ones are in links.csv." if more > 0 else ""
        grid = Series("", labels, links)
        parts.append(
            (Chart("links", "Links in use", "heat", [grid], cells=cells, marks=marks, note=note),)
        )
    devices: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in run.table("devices"):
        devices.setdefault((str(row["label"]), str(row["device"])), []).append(row)
    if devices:
        table = []
        for (label, device), members in devices.items():
            energy = mean([m["energy_j"] for m in members])
            idle = mean([m["idle_fraction"] for m in members])
            table.append(
                [
                    label,
                    device,
                    str(len(members)),
                    _percent(idle),
                    "not known" if energy is None else f"{significant(energy)} J",
                ]
            )
        columns = ["method", "device", "clients", "idle", "energy of one, mean"]
        note = "In the rounds that a client took part in. What a radio needs is not known for every"
        note += " device: the energy is then a lower bound."
        parts.append(Table("devices", "Devices", columns, table, note))
    return parts


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
