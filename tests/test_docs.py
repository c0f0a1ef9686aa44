"""Check the documentation against the code: names, columns, links, scenarios, examples."""

import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import pytest
import typer.main
import yaml
from doc_pages import DOCS, ROOT, Block, plain, read
from doc_pages import PAGES as DOCUMENTATION

import cutlayer.scenarios.availability
import cutlayer.scenarios.bandwidth
import cutlayer.scenarios.data
import cutlayer.scenarios.data_sets
import cutlayer.scenarios.devices
import cutlayer.scenarios.groups
import cutlayer.scenarios.layout
import cutlayer.scenarios.links
import cutlayer.scenarios.model
import cutlayer.scenarios.network_file
import cutlayer.scenarios.partition
import cutlayer.scenarios.quality
import cutlayer.scenarios.schema
import cutlayer.scenarios.study.schema
import cutlayer.scenarios.training
import cutlayer.scenarios.transport
from cutlayer import load_scenario, run, sweep
from cutlayer.models.catalogue import MODELS
from cutlayer.scenarios import ScenarioError, shipped_names
from cutlayer.scenarios.fields import Section
from cutlayer.scenarios.schema import Scale
from cutlayer.scenarios.study import shipped_studies
from cutlayer.sim.calibrate.fitted_device import fit_device
from cutlayer.sim.calibrate.timed_csv import read_iterations
from cutlayer.sim.cli import app
from cutlayer.sim.data.catalogue import DATASETS
from cutlayer.sim.log.intervals import COLUMNS, PHASES, Activity, Phase
from cutlayer.sim.methods.registry import METHODS, method
from cutlayer.sim.results.method import RunResult
from cutlayer.topologies.catalogue import device, device_names, link_names
from cutlayer.topologies.catalogue.profile_file import profile_text

PAGES = [*DOCUMENTATION, ROOT / "CHANGELOG.md"]
SCENARIO_MODULES = (
    cutlayer.scenarios.schema,
    cutlayer.scenarios.model,
    cutlayer.scenarios.data,
    cutlayer.scenarios.data_sets,
    cutlayer.scenarios.partition,
    cutlayer.scenarios.training,
    cutlayer.scenarios.layout,
    cutlayer.scenarios.groups,
    cutlayer.scenarios.network_file,
    cutlayer.scenarios.links,
    cutlayer.scenarios.bandwidth,
    cutlayer.scenarios.quality,
    cutlayer.scenarios.availability,
    cutlayer.scenarios.devices,
    cutlayer.scenarios.transport,
)
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


ALL_BLOCKS = [block for page in PAGES for block in read(page).blocks]
FILES = {block.file: block.text for block in ALL_BLOCKS if block.file}
COMPLETE = [
    block
    for block in ALL_BLOCKS
    if block.language == "yaml"
    and {"data", "topology"} <= yaml.safe_load(block.text).keys()
    and block.file != "bad.yaml"  # one whose mistakes a page explains
]
PYTHON_PAGES = sorted({b.page for b in ALL_BLOCKS if b.language == "python" and not b.file})
CALLS = [  # each command with the line that the page shows below it
    (block.page.name, line.removeprefix("$ "), below)
    for block in ALL_BLOCKS
    if block.language == "console"
    for line, below in pairwise([*block.text.splitlines(), ""])
    if line.startswith("$ cutlayer ")
]


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Change to a folder that holds all files of the documentation."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "my-pi.yaml").write_text(fitted_profile(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in FILES:
        sys.modules.pop(Path(name).stem, None)


@cache
def fitted_profile() -> str:
    """Return the profile that a page fits to its rows."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "timed.csv")
        path.write_text(FILES["timed.csv"], encoding="utf-8")
        rows = read_iterations(path)
    return profile_text(fit_device(device("raspberry-pi-4b"), None, rows, "my-pi").profile)


def missing(names: object, page: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return [str(name) for name in names if not re.search(rf"`{re.escape(str(name))}[`(]", text)]  # type: ignore[attr-defined]


def sections() -> list[type[Section]]:
    found = {
        thing
        for module in SCENARIO_MODULES
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Section) and thing is not Section
    }
    return sorted(found, key=lambda section: section.__name__)


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.__name__)
def test_every_field_of_a_scenario_is_in_its_reference(section: type[Section]) -> None:
    fields = [field.alias or name for name, field in section.model_fields.items()]
    assert missing(fields, "reference/scenario.md") == []


def test_every_section_of_a_scenario_is_in_the_table_of_the_top_level() -> None:
    text = (DOCS / "reference/scenario.md").read_text(encoding="utf-8")
    table = text[text.index("## Top level") : text.index("## `data`")]
    rows = re.findall(r"^\| `(\w+)` \|", table, re.M)
    assert sorted(rows) == sorted(cutlayer.scenarios.schema.Scenario.model_fields)


def test_examples_of_sections_are_valid(examples: Path) -> None:
    page = DOCS / "reference/scenario.md"
    whole = yaml.safe_load(FILES["my-fleet.yaml"])
    shown = [yaml.safe_load(block.text) for block in read(page).blocks if block.language == "yaml"]
    assert shown
    for section in shown:
        text = yaml.safe_dump(whole | section)
        (examples / "section.yaml").write_text(text, encoding="utf-8")
        load_scenario("section.yaml")


@pytest.mark.parametrize(
    "choices",
    [
        ("iid", "shards", "dirichlet", "sizes", "quantity", "file", "users", "by"),
        ("csv", "jsonl", "parquet", "arrow", "images", "npz", "torch", "leaf", "declared"),
        ("constant", "step", "cosine", "exponential"),
        ("star", "wifi_cell", "cells", "two_tier", "three_tier", "ring", "mesh", "graph"),
        ("network_file", "wifi", "cellular", "distance", "attribute", "all", "spread"),
        ("delay", "hops", "inverse_rate"),
        ("client", "relay"),
        ("mahimahi", "csv", "random", "drop", "resume", "name", "position"),
        ("sgd", "adam", "fresh", "kept", "fifo"),
        ("ideal", "tcp", "open", "quic", "tls", "none", "mathis", "pftk", "cubic"),
    ],
)
def test_every_choice_of_a_scenario_is_in_its_reference(choices: tuple[str, ...]) -> None:
    assert missing(choices, "reference/scenario.md") == []


def test_every_field_and_column_of_a_study_is_in_its_reference(examples: Path) -> None:
    fields = {
        field.alias or name
        for thing in vars(cutlayer.scenarios.study.schema).values()
        if isinstance(thing, type)
        and issubclass(thing, Section)
        and thing.__module__ == "cutlayer.scenarios.study.schema"
        for name, field in thing.model_fields.items()
    }
    swept = sweep("my-uplinks.yaml", executor="none")
    columns = [
        name
        for name in swept.table()
        if not name.startswith(("critical_", "time_to_", "bytes_to_"))
        and name not in swept.study.axes
    ]
    measures = get_args(cutlayer.scenarios.study.schema.Measure)
    names = [*fields, *columns, *measures, *Scale.model_fields, *shipped_studies()]
    assert missing(names, "reference/study.md") == []


def test_every_method_and_option_is_documented() -> None:
    options = [name for m in METHODS for name in method(m).Options.model_fields]
    assert missing([*METHODS, *options], "reference/scenario.md") == []
    assert missing(METHODS, "explanation/the-methods.md") == []


def test_every_shipped_scenario_and_data_set_is_documented() -> None:
    assert missing([*shipped_names(), *DATASETS], "reference/scenario.md") == []


def test_every_command_and_option_is_documented() -> None:
    text = (DOCS / "reference/command-line.md").read_text(encoding="utf-8")
    for name, command in COMMANDS.items():
        assert f"`cutlayer {name}" in text
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                assert not option.startswith("--") or option == "--help" or option in text, option


def test_every_device_and_link_is_documented() -> None:
    assert missing([*device_names(), *link_names()], "reference/devices-and-links.md") == []


def test_every_column_and_key_of_results_is_documented(examples: Path) -> None:
    (result,) = run(load_scenario("my-fleet.yaml", ["training.rounds=1"]), executor="none")
    summary = result.summary()
    keys = [*summary, *next(iter(summary["methods"].values()))]
    columns = [
        *result.table(),
        *result.table("links"),
        *result.table("devices"),
        *COLUMNS,
        *(f"critical_{phase}_s" for phase in PHASES),
    ]
    assert missing([*keys, *columns], "reference/results.md") == []
    text = (DOCS / "reference/results.md").read_text(encoding="utf-8")
    assert all(kind.name.lower() in text for kind in [*Phase, *Activity])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.is_file(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors(linked), f"{page.name} links to {target}"


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    shown = set(re.findall(r"[\w/-]+\.md", text[text.index("\nnav:") :]))
    assert shown >= {str(page.relative_to(DOCS)) for page in PAGES if DOCS in page.parents}


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings: lower case, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("block", COMPLETE, ids=lambda block: f"{block.page.stem}-{block.file}")
def test_complete_scenarios_run(block: Block, examples: Path) -> None:
    assert block.file, "a complete scenario is given a file name"
    (result,) = run(load_scenario(block.file), executor="none")
    assert result.status == "complete"


@pytest.mark.parametrize("page", PYTHON_PAGES, ids=lambda page: page.stem)
def test_python_examples_print_what_the_page_says(
    page: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    namespace: dict[str, object] = {}
    found = read(page).blocks
    for block, following in zip(found, [*found[1:], None], strict=True):
        if block.language != "python" or block.file:
            continue
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(block.text, str(page), "exec"), namespace)
        assert following is not None
        assert following.language == "text"
        assert plain(printed.getvalue()) == plain(following.text)


@pytest.mark.parametrize(
    "override",
    [
        ('methods=["fewer_uploads:SparseLocalLoss"]',),
        ('methods=["slow_server:SlowServer"]', "training.rounds=2"),
        ("model.name=small_net:small_net",),
        ("data.dataset=stripes:stripes", "data.test_fraction=null"),
        ("control=my_control:FasterHalf", "training.rounds=2"),
    ],
    ids=["method", "aggregation", "model", "data", "controller"],
)
def test_things_of_ones_own_train(override: tuple[str, ...], examples: Path) -> None:
    small = ("training.rounds=1", "methods=[splitfed]", "data.partition={sizes: 20}", *override)
    scenario = load_scenario("my-fleet.yaml", small)
    digests = [
        [(m.event_digest, m.learning_digest) for m in result.methods.values()]
        for executor in ("none", "inline")
        for result in run_once(scenario, executor)
    ]
    assert digests[0] == digests[1]


def run_once(scenario: object, executor: str) -> list[RunResult]:
    return run(scenario, executor=executor)  # type: ignore[arg-type]


@pytest.mark.parametrize(("page", "call", "below"), CALLS)
def test_commands_in_the_pages_exist(page: str, call: str, below: str, examples: Path) -> None:
    _, name, *words = shlex.split(call)
    if name.startswith("--"):
        return
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    options = [word for word in words if word.startswith("--")]
    assert set(options) <= known
    overrides = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    if name not in ("run", "check"):
        return
    if below.startswith(("--set: ", "bad.yaml:")):
        with pytest.raises(ScenarioError) as refused:
            load_scenario(words[0], overrides)
        assert str(refused.value).splitlines()[0] == below
    else:
        load_scenario(words[0], overrides)


def test_models_are_listed_where_readers_look() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").lower()
    assert all(name in text for name in MODELS)
