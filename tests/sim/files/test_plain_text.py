"""A user's text is shown as text, without markup or terminal control, in every encoding."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import TINY, CommandLine, assert_refused
from rich.console import Console

from cutlayer.sim.commands.console import CommandConsole
from cutlayer.sim.commands.progress import PhaseProgress, RunProgress
from cutlayer.sim.files.plain_text import argument_text, plain, visible
from cutlayer.sim.run.progress import MethodRun
from cutlayer.sim.views.columns import Column, print_columns, print_grid

ROOT = Path(__file__).resolve().parents[3]
MARKUP = ("[/x]", "[bold]a[/bold]", "[link=file:///etc]b", ":bomb:", r"\[a]", "{0}{task}")
CONTROLS = {
    "\x1b[31m": r"\x1b[31m",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "a\rb\x08c\x7f\x00": r"a\rb\x08c\x7f\x00",
    "\x9b2J\x85": r"\x9b2J\x85",
    "\u202eback\u2066\u200f": r"\u202eback\u2066\u200f",
    "\u2028\ufeff\U000e0041": r"\u2028\ufeff\U000e0041",
    "\udce4": r"\udce4",
}


@pytest.mark.parametrize(("text", "shown"), CONTROLS.items())
def test_terminal_controls_are_shown_as_escapes(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert plain(text).plain == shown


@pytest.mark.parametrize(
    "text", ["", "a b", "Gerät 東京 🙂", "half\u00adway \u200d", "1\n2\t3", *MARKUP]
)
def test_every_other_text_is_shown_unchanged(text: str) -> None:
    assert visible(text) == text
    assert plain(text).plain == text


def test_an_argument_is_decoded_in_any_locale() -> None:
    assert argument_text("ü 東".encode().decode("ascii", "surrogateescape")) == "ü 東"
    assert argument_text("ü 東") == "ü 東"
    assert argument_text("\udce4") == "\udce4"  # Latin-1 in a locale of UTF-8


def test_characters_that_an_encoding_lacks_are_shown_as_escapes() -> None:
    assert visible("Gerät 東", "ascii") == r"Ger\xe4t \u6771"
    assert visible("Gerät 東", "latin-1") == r"Gerät \u6771"


@pytest.mark.parametrize(("text", "shown"), [*((m, m) for m in MARKUP), *CONTROLS.items()])
def test_a_command_s_console_escapes_lines_and_tables(
    text: str, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    console = CommandConsole()
    console.print(text)
    console.print(f"styled {text}", style="bold")
    console.say(text)
    print_grid(console, ("heading", text), [(text, "x")], title=text)
    print_columns(console, Column("name", [text]), [Column(text, [text])])
    printed = capsys.readouterr().out
    assert printed.count(shown) == 9
    assert "\x1b" not in printed


@pytest.mark.parametrize(("text", "shown"), [*((m, m) for m in MARKUP), *CONTROLS.items()])
def test_tables_and_progress_bars_escape_on_any_console(text: str, shown: str) -> None:
    written = io.StringIO()
    console = Console(file=written, width=160, force_terminal=True, color_system=None)
    print_grid(console, (text,), [(text,)], title=text)
    print_columns(console, Column(text, [text]), [Column(text, [text])])
    assert written.getvalue().count(shown) == 7
    for bar in (RunProgress(console), PhaseProgress(console)):
        written.truncate(0)
        with bar:
            if isinstance(bar, RunProgress):
                bar.planned([MethodRun(0, text, 3, 2)])
            else:
                bar(text, 1, 2, text)
        assert shown in written.getvalue()


def test_a_control_character_in_a_scenario_is_shown_as_an_escape(cli: CommandLine) -> None:
    scenario = TINY.replace("name: tiny", 'name: "\\e[31mred"')
    (cli.folder / "tiny.yaml").write_text(scenario, encoding="utf-8")
    assert_refused(cli("check", "tiny.yaml"), r"\u001b[31mred", "name")
    folder = cli.folder / "\x1b[2Jgone"
    assert_refused(cli("explain", folder), r"\x1b[2Jgone")


def test_labels_and_folders_are_not_parsed_as_markup(cli: CommandLine) -> None:
    label = "[/x] :bomb: [red]$1"
    scenario = TINY.replace("label: frozen", f"label: '{label}'")
    (cli.folder / "tiny.yaml").write_text(scenario, encoding="utf-8")
    answer = cli("run", "tiny.yaml", "--executor", "none", "--out", "runs/[a] [/b]")
    assert answer.code in (0, None), answer.err
    assert label in answer.out
    assert "results: runs/[a] [/b]" in answer.out.splitlines()
    assert label in cli("explain", "runs/[a] [/b]").out
    assert label in cli("explain", "runs/[a] [/b]", "--method", label, "--round", 0).out
    assert label in cli("compare", "runs/[a] [/b]", "runs/[a] [/b]").out
    assert "[a] [/b]" in cli("compare", "runs/[a] [/b]", "runs/[a] [/b]").out
    assert label in cli("check", "tiny.yaml").out


SESSION = """\
import sys
from cutlayer.sim.cli import main
for line in sys.stdin.read().splitlines():
    sys.argv = ["cutlayer", *line.split("|")]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise SystemExit(f"{line}: {ended.code}")
"""
UNICODE = """\
name: unicode
scenario: tiny.yaml
description: "Zürich – 東京"
axes:
  - {name: "Ger\\u00e4te", field: model.cut, values: [1, 2]}
"""


@pytest.mark.slow
def test_every_command_works_in_a_locale_without_utf_8(tmp_path: Path) -> None:
    scenario = TINY.replace("label: frozen", "label: 'Gerät 東京'")
    scenario = scenario.replace("seed: 0", "seed: 0\ndescription: Zürich – 東京")
    (tmp_path / "tiny.yaml").write_text(scenario, encoding="utf-8")
    (tmp_path / "study.yaml").write_text(UNICODE, encoding="utf-8")
    commands = (
        "check|tiny.yaml",
        "run|tiny.yaml|--executor|none|--out|ü",
        "why|ü",
        "report|ü",  # its figures are drawn as those of the run
        "export|ü|--to|csv|--out|csv",
        "export|ü|--to|json|--out|json",
        "show|tiny.yaml",
        "show|quickstart",
        "list|devices",
        "sweep|study.yaml|--executor|none|--jobs|1",
        "report|runs/unicode|--out|study.html",
        "explain|tiny.yaml|--method|Gerät 東京|--set|description=ü",
    )
    ended = subprocess.run(
        [sys.executable, "-c", SESSION],
        input="\n".join(commands).encode(),
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("LC_")},
            "PYTHONPATH": str(ROOT),
            "LC_ALL": "C",
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONUTF8": "0",
            "PYTHONIOENCODING": "ascii:surrogateescape",
        },
        capture_output=True,
        timeout=900,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode(errors="replace")[-3000:]
    shown = ended.stdout.decode("ascii")
    assert r"Ger\xe4t \u6771\u4eac" in shown
    for file in ("ü/report.html", "study.html", "json/tiny.json", "csv/rounds.csv"):
        text = (tmp_path / file).read_text(encoding="utf-8")
        assert "Gerät" in text or r"Ger\u00e4t" in text, file
