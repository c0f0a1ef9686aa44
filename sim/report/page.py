"""One self-contained HTML page: style, scripts, charts and tables in a single file, no network."""

import html
import json
from collections.abc import Sequence
from pathlib import Path

from cutlayer.sim.files.plain_text import visible
from cutlayer.sim.report.interactive import figure_of
from cutlayer.sim.views.charts import Chart, Part, Source, Table, Words
from cutlayer.version import __version__

FILES = Path(__file__).parent / "page"
WIDE = ("scenario", "provenance", "crossovers", "guesses", "stragglers")


def escape(text: str) -> str:
    """Return a text as HTML shows it, with escapes for control characters."""
    return html.escape(visible(text))


def html_page(sources: Sequence[Source]) -> str:
    """Return the page of some runs and studies; the same sources give the same text."""
    from plotly import offline

    writer = _Writer()
    bodies = [writer.source(source, number) for number, source in enumerate(sources)]
    title = ", ".join(source.title for source in sources)
    data = json.dumps(writer.charts, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    style, script = ((FILES / f"page.{kind}").read_text("utf-8") for kind in ("css", "js"))
    plotly = str(offline.get_plotlyjs()).replace("</script", "<\\/script")  # type: ignore[attr-defined,no-untyped-call]
    return f"""<!doctype html>
<html lang="en" data-theme="light">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="cutlayer {__version__}">
<link rel="icon" href="data:,">
<title>{escape(title)} - Cutlayer</title>
<style>
{style}</style>
</head>
<body>
<header><span class="brand">Cutlayer {__version__}: a simulated prediction</span>
<button class="plain" id="theme" type="button">Dark or light</button></header>
<main>
{"".join(bodies)}</main>
<script type="application/json" id="charts">{data}</script>
<script>{plotly}</script>
<script>
{script}</script>
</body>
</html>
"""


class _Writer:
    """Writes sources as HTML, and collects the figures of their charts by element."""

    def __init__(self) -> None:
        self.charts: dict[str, list[object]] = {}

    def source(self, source: Source, number: int) -> str:
        """Return a source's heading, its tabs and their panels."""
        buttons, panels = [], []
        for index, tab in enumerate(source.tabs):
            name, on = f"s{number}t{index}", index == 0
            buttons.append(
                f'<button type="button" role="tab" id="{name}-tab" aria-controls="{name}"'
                f' aria-selected="{str(on).lower()}" tabindex="{0 if on else -1}">'
                f"{escape(tab.name)}</button>"
            )
            parts = "".join(self._part(part) for part in tab.parts if part)
            panels.append(
                f'<section class="panel" role="tabpanel" id="{name}" aria-labelledby="{name}-tab"'
                f"{'' if on else ' hidden'}>\n{parts}</section>\n"
            )
        return (
            f'<h1>{escape(source.title)}</h1>\n<p class="subtitle">{escape(source.subtitle)}</p>\n'
            f'<div class="tabs" role="tablist">{"".join(buttons)}</div>\n{"".join(panels)}'
        )

    def _part(self, part: Part) -> str:
        if isinstance(part, Table):
            return _table(part)
        if isinstance(part, Words):
            return self._words(part)
        return self._charts(part)

    def _charts(self, charts: tuple[Chart, ...]) -> str:
        name = f"c{len(self.charts)}"
        self.charts[name] = [
            figure_of(chart) | {"heading": visible(chart.title), "note": visible(chart.note)}
            for chart in charts
        ]
        first = charts[0]
        choose = ""
        if len(charts) > 1:
            options = "".join(
                f'<option value="{i}">{escape(c.choice)}</option>' for i, c in enumerate(charts)
            )
            choose = (
                f'<label><select data-for="{name}" aria-label="{escape(first.title)}">'
                f"{options}</select></label>"
            )
        note = ""
        if any(chart.note for chart in charts):
            note = f'<p class="note" id="{name}-note">{escape(first.note)}</p>'
        has_details = any(series.details for chart in charts for series in chart.series)
        details = (
            f'<pre id="{name}-details" aria-live="polite" hidden></pre>\n' if has_details else ""
        )
        heading = f'<h2 id="{name}-heading">{escape(first.title)}</h2>'
        return (
            f'<div class="row">{heading}{choose}</div>\n{note}\n'
            f'<div class="chart" id="{name}" data-charts="{name}" role="img"'
            f' aria-label="{escape(first.title)}"></div>\n{details}'
        )

    def _words(self, words: Words) -> str:
        if not words.code:
            sentences = "".join(f"<p>{escape(line)}</p>\n" for line in words.lines)
            return f"<h2>{escape(words.title)}</h2>\n{sentences}"
        text = escape("\n".join(words.lines))
        name = f"w{words.name}{len(self.charts)}"
        return (
            f'<div class="row"><h2>{escape(words.title)}</h2>'
            f'<button class="plain" type="button" data-copy="{name}">Copy</button></div>\n'
            f'<pre id="{name}">{text}</pre>\n'
        )


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>\n"
        for row in table.rows
    )
    note = f'<p class="note">{escape(table.note)}</p>\n' if table.note else ""
    wide = " wide" if table.name in WIDE else ""
    return (
        f'<h2>{escape(table.title)}</h2>\n{note}<div class="scroll{wide}" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>\n"
    )
