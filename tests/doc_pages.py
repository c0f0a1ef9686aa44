"""Parse the pages of the documentation: sections, fenced blocks, tables and their marks.

CONTRIBUTING.md explains the marks. Outputs and tables of figures are checked, by running what is above
them, or dated by a visible line in the same section or for the whole page.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING"))])

# Cutlayer's version, the day, and what else decides a figure.
DATED = re.compile(
    r"(?:Printed|Measured) (?:by|with) version \d+\.\d+\.\d+ on \d{4}-\d{2}-\d{2}\b", re.I
)
DATED_PAGE = re.compile(rf"All figures of this page: {DATED.pattern}", re.I)
CHECKED = re.compile(r"<!-- checked: ([\w-]+) -->")

FENCE = re.compile(r"^```(\w*) ?([\w.-]*)$")
FIGURE = re.compile(
    r"[-+−]?[\d,]*\d(?:\.\d+)?(?: ?± ?\d[\d.]*)? ?(?:[kMG]?B|[MG]iB|ms|s|min|h|x|%)?"
)


@dataclass
class Section:
    """A heading and the text below it, up to the next heading of any level."""

    page: Path
    heading: str
    prose: list[str] = field(default_factory=list)

    @property
    def dated(self) -> bool:
        """Whether a line gives the date of its figures."""
        return DATED.search(" ".join(self.prose)) is not None


@dataclass
class Block:
    """A fenced block: its language, the file name to save it as, its text."""

    page: Path
    section: Section
    language: str
    file: str
    text: str
    checked: str  # the name of what checks it, or empty


@dataclass
class Table:
    """A table: its rows without the header, each a list of cells without emphasis."""

    page: Path
    section: Section
    rows: list[list[str]]
    checked: str

    @property
    def has_figures(self) -> bool:
        """Whether a cell is a number, with or without a unit."""
        return any(FIGURE.fullmatch(cell) for row in self.rows for cell in row)


@dataclass(frozen=True)
class Page:
    """A parsed page."""

    path: Path
    sections: list[Section]
    blocks: list[Block]
    tables: list[Table]

    @property
    def dated(self) -> bool:
        """Whether a line gives the date of all figures of the page."""
        return any(DATED_PAGE.search(" ".join(section.prose)) for section in self.sections)


def read(path: Path) -> Page:
    """Parse a page."""
    section = Section(path, "")
    page = Page(path, [section], [], [])
    lines = iter([*path.read_text(encoding="utf-8").splitlines(), ""])
    mark = ""
    rows: list[str] = []
    for line in lines:
        if line.startswith("|"):
            rows.append(line)
            continue
        if rows:
            page.tables.append(Table(path, section, [cells(row) for row in rows[2:]], mark))
            rows, mark = [], ""
        if fence := FENCE.match(line):
            text = "".join(f"{inside}\n" for inside in iter(lambda: next(lines), "```"))
            page.blocks.append(Block(path, section, fence[1], fence[2], text, mark))
            mark = ""
        elif line.startswith("#"):
            section = Section(path, line.lstrip("#").strip())
            page.sections.append(section)
        elif checked := CHECKED.fullmatch(line):
            mark = checked[1]
        elif line:
            section.prose.append(line.strip())
            mark = ""
    return page


def cells(row: str) -> list[str]:
    """Return the cells of a table row without emphasis; an escaped bar does not separate cells."""
    parts = re.split(r"(?<!\\)\|", row.strip())[1:-1]
    return [part.replace("*", "").strip() for part in parts]


def prose(path: Path) -> str:
    """Return the text of a page with single spaces, independent of line breaks."""
    return " ".join(path.read_text(encoding="utf-8").replace("**", "").split())


def plain(text: str) -> list[str]:
    """Return lines without trailing spaces, and without empty lines at both ends."""
    return [line.rstrip() for line in text.strip("\n").splitlines()]
