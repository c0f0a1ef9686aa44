"""Outputs in the documentation are what Cutlayer prints today, or they have a date.

Commands run in this process, without training. CONTRIBUTING.md explains the marks. Simulated figures
must be right to the last digit shown.
"""

import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from pathlib import Path

import pytest
from doc_figures import CHECKS, CONSTANT, RESUME, mean_round, per_client, ran, slow_round
from doc_pages import DOCS, PAGES, ROOT, Block, Page, Section, Table, plain, prose, read

from cutlayer.sim.cli import main

READ = {path: read(path) for path in PAGES}
FILES = {block.file: block.text for page in READ.values() for block in page.blocks if block.file}
REFERENCE = {path for path in PAGES if path.is_relative_to(DOCS / "reference")}
UNITS = {"": 1, "x": 1, "%": 0.01, "ms": 1e-3, "s": 1, "min": 60, "h": 3600}
UNITS |= {"B": 1, "MB": 1e6, "MiB": 2**20, "GFLOP/s": 1e9}
SHOWN = re.compile(r"([-+−]?[\d,]*\d(?:\.(\d+))?) ?([a-zA-Z%/]*)")


@dataclass(frozen=True)
class Shown:
    """The output of a command as a page shows it."""

    page: Path
    section: Section
    command: str
    code: int
    text: str


def shown(page: Page) -> Iterator[Shown]:
    """Yield the commands whose output a page shows, in order."""
    for block, following in pairwise([*page.blocks, None]):
        if block is None or block.language != "console":
            continue
        commands = [*re.split(r"^\$ ", block.text, flags=re.M)[1:]]
        for number, command in enumerate(commands):
            line, _, output = command.partition("\n")
            last = number == len(commands) - 1
            if last and not output and following is not None and belongs(following, block):
                output = following.text
            if output:
                refused = re.match(r"[\w./-]+(:\d+)?: [\w.]+: ", output) is not None
                yield Shown(page.path, block.section, line, 2 if refused else 0, output)


def belongs(text: Block, above: Block) -> bool:
    """Return whether a block is the output of the one above."""
    return is_output(text) and text.section is above.section


def is_output(block: Block) -> bool:
    """Return whether a block is printed output: text that is not the content of a file."""
    return block.language == "text" and not block.file


def origin(page: Page, block: Block) -> str:
    """Return the language of the block above in the same section, which printed this one."""
    before = page.blocks[page.blocks.index(block) - 1] if page.blocks[0] is not block else None
    return before.language if before is not None and before.section is block.section else ""


OUTPUTS = [found for page in READ.values() if not page.dated for found in shown(page)]
UNDATED = [found for found in OUTPUTS if not found.section.dated]
MARKED = [table for page in READ.values() for table in page.tables if table.checked]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_output_is_checked_or_dated(path: Path) -> None:
    """Every output follows a command or a Python example, or its table names a check, or it is dated."""
    page = READ[path]
    if page.dated:
        return
    unknown = [
        f"the text that begins {block.text.splitlines()[0]!r} below {block.section.heading!r}"
        for block in page.blocks
        if is_output(block)
        and not block.section.dated
        and origin(page, block) not in ("python", "console")
    ]
    unknown += [
        f"the table that begins {' | '.join(table.rows[0])!r} below {table.section.heading!r}"
        for table in page.tables
        if table.has_figures
        and not (table.checked or table.section.dated)
        and path not in REFERENCE
    ]
    assert unknown == [], "neither checked nor dated: see CONTRIBUTING.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Change to a folder with the files of the pages and testbeds; use 80 columns, draw no plots."""
    shutil.copytree(ROOT / "validation" / "testbeds", tmp_path / "validation" / "testbeds")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("CUTLAYER_DATA_DIR", "CUTLAYER_NO_USER_CODE", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("cutlayer.sim.commands.run.write_plots", lambda *_: [])
    yield tmp_path
    for name in FILES:  # another library may look for a module of the same name
        sys.modules.pop(Path(name).stem, None)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("case", UNDATED, ids=lambda case: f"{case.page.stem}-{case.command}")
def test_a_command_prints_what_the_page_shows(case: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(case.command)
    slow = words[1] in ("pretrain", "calibrate", "reproduce")
    assert not slow, "too slow: date it"
    assert words[1] not in ("run", "sweep") or "none" in words, "it trains: date it"
    printed = StringIO()
    monkeypatch.setattr(sys, "argv", words)
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(printed))
        stack.enter_context(redirect_stderr(printed))
        ended = stack.enter_context(pytest.raises(SystemExit))
        main()
    assert (ended.value.code or 0) == case.code, printed.getvalue()
    rest = plain(printed.getvalue())
    for part in re.split(r"^\.\.\.\n", case.text, flags=re.M):
        rest = after(rest, plain(part))


def after(lines: list[str], part: list[str]) -> list[str]:
    """Return the lines after the first occurrence of the consecutive lines `part`."""
    for start in range(len(lines) - len(part) + 1):
        if lines[start : start + len(part)] == part:
            return lines[start + len(part) :]
    raise AssertionError("\n".join(["not printed:", *part, "", "but:", *lines]))


@pytest.mark.parametrize("table", MARKED, ids=lambda table: table.checked)
def test_a_table_shows_what_is_computed(table: Table) -> None:
    figures = CHECKS[table.checked]()
    assert len(figures) == len(table.rows)
    for row, values in zip(table.rows, figures, strict=True):
        assert len(row) == len(values), row
        for cell, value in zip(row, values, strict=True):
            if isinstance(value, str):
                assert cell == value, row
            elif value is not None:
                match = SHOWN.fullmatch(cell)
                assert match, f"{cell!r} is not a figure"
                assert_shown(match, value, " | ".join(row))


def assert_shown(shown: re.Match[str], value: float, where: str) -> None:
    """Assert that the figure is the value in the unit shown, rounded to the digits shown."""
    number, decimals, unit = shown.groups()
    right = f"{value / UNITS[unit]:,.{len(decimals or '')}f}"
    assert number.replace("−", "-").lstrip("+").replace(",", "") == right.replace(",", ""), where


def sentences() -> list[tuple[str, str, list[float]]]:
    """Return page, sentence with {} for each figure, and the figures in SI units, without training."""
    lte, constant = ran("lte_trace_fleet").methods, ran("lte_trace_fleet", *CONSTANT).methods
    back = ran("commuters", RESUME).methods
    headline = ran("ecofed_headline", "training.rounds=2").methods
    eco = headline["ecofed"]
    fl_x, split_x = (
        per_client(headline[name]) / per_client(eco) for name in ("classic_fl", "splitfed")
    )
    idle = [
        headline[name].summary({})["idle_fraction"]["server"] for name in ("ecofed", "local_loss")
    ]
    lead = [mean_round(case["classic_fl"]) / mean_round(case["ecofed"]) for case in (lte, constant)]
    first = ran("my-fleet.yaml").methods
    fast = ran("my-fleet.yaml", "topology.star.clients.0.link.up=50 Mbit/s").methods
    slow_x, fast_x = (
        mean_round(found["splitfed"]) / mean_round(found["ecofed"]) for found in (first, fast)
    )
    fleet_x = per_client(first["splitfed"]) / per_client(first["ecofed"])
    return [
        (
            "docs/tutorial.md",
            "EcoFed's rounds are {} times shorter than SplitFed's, with {} times fewer bytes",
            [slow_x, fleet_x],
        ),
        ("docs/tutorial.md", "EcoFed's lead falls from {} to {} times", [slow_x, fast_x]),
        (
            "README.md",
            "(against SplitFed) as {} and {}. They follow from tensor sizes and message framing",
            [fl_x, split_x],
        ),
        (
            "docs/explanation/what-is-modelled.md",
            "it is idle for {} and {} of the time",
            idle,
        ),
        (
            "docs/explanation/bytes-on-the-wire.md",
            "SplitFed / EcoFed: published 16, derived 16.13, simulated {}.",
            [split_x],
        ),
        (
            "docs/scenarios/lte_trace_fleet.md",
            "EcoFed's rounds are {} times as fast as those of classic FL on the trace, and {} times on",
            lead,
        ),
        (
            "docs/scenarios/lte_trace_fleet.md",
            "percentile of classic FL is {} on the trace and {} on constant links",
            [slow_round(lte["classic_fl"]), slow_round(constant["classic_fl"])],
        ),
        (
            "docs/scenarios/commuters.md",
            "Classic FL wastes more bytes this way, {},",
            [float(sum(closed.wasted_bytes for closed in back["classic_fl"].rounds))],
        ),
        (
            "docs/scenarios/mixed_cuts.md",
            "SplitFed sends more bytes with a cut for each ({}) than with cut 2 for all ({}).",
            [
                float(ran("mixed_cuts", *overrides).methods["splitfed"].wire_bytes)
                for overrides in ((), ("model.cut=2",))
            ],
        ),
    ]


@pytest.mark.usefixtures("folder")
def test_sentences_state_what_is_computed() -> None:
    for page, sentence, values in sentences():
        figure = r"[-+−]?[\d,]*\d(?:\.\d+)?(?:x| (?:s|min|h|MB|%))?"
        pattern = re.escape(sentence).replace(r"\{\}", f"({figure})")
        found = re.search(pattern, prose(ROOT / page))
        assert found, f"{page} does not say: {sentence}"
        for shown, value in zip(found.groups(), values, strict=True):
            match = SHOWN.fullmatch(shown)
            assert match
            assert_shown(match, value, f"{page}: {found[0]}")
