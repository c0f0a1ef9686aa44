"""`cutlayer show` of scenarios: the topology as text and as a picture."""

import pytest
import yaml
from command_line import assert_refused, files


def test_a_scenario_file_is_shown_as_its_topology(cli):
    answer = cli("show", "tiny.yaml")
    assert answer.code in (0, None)
    assert "3 x raspberry-pi-4b-0 ... raspberry-pi-4b-2: 10 Mbit/s up, 25 Mbit/s down" in answer.out
    assert "3 like raspberry-pi-4b-0" in answer.out
    assert "methods" not in answer.out
    assert files(cli.folder) == ["tiny.yaml"]


def test_a_shipped_scenario_is_its_text_and_stays_one(cli):
    answer = cli("show", "quickstart")
    assert "# server (" in answer.out
    assert yaml.safe_load(answer.out)["name"] == "quickstart"
    (cli.folder / "mine.yaml").write_text(answer.out, encoding="utf-8")
    assert cli("check", "mine.yaml", "--set", "training.rounds=1").code in (0, None)


@pytest.mark.parametrize("name", ["p.png", "p.svg", "p.pdf"])
def test_a_topology_is_drawn(cli, name):
    answer = cli("show", "tiny.yaml", "--plot", name)
    assert answer.code in (0, None)
    assert answer.err == ""
    assert (cli.folder / name).stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tiny.yaml", "--plot", "p.gif"], ["--plot: p.gif must end in .png, .svg or .pdf"]),
        (["tiny.yaml", "--plot", "p.PNG"], ["--plot: p.PNG must end in .png"]),
        (["tiny.yaml", "--plot", "no/p.png"], ["--plot no/p.png: the folder no does not exist"]),
        (["4g", "--plot", "p.png"], ["--plot: 4g is not a scenario"]),
        (["tinny.yaml"], ["tinny.yaml: is neither a file nor a shipped scenario"]),
        (["quickstrat"], ["unknown name quickstrat", "mean 'quickstart'?"]),
    ],
)
def test_what_cannot_be_shown_is_refused(cli, arguments, words):
    answer = cli("show", *arguments)
    assert answer.code == 2
    assert answer.err.count("\n") == 1
    for word in words:
        assert word in answer.err
    assert files(cli.folder) == ["tiny.yaml"]


def test_a_topology_that_cannot_be_is_refused(cli):
    text = (cli.folder / "tiny.yaml").read_text(encoding="utf-8")
    again = "{device: raspberry-pi-4b, link: 4g, name: server}"
    twice = text.replace("count: 3, link: 4g}", f"count: 3, link: 4g}}\n      - {again}")
    (cli.folder / "twice.yaml").write_text(twice, encoding="utf-8")
    assert_refused(cli("show", "twice.yaml"), "topology: there are two nodes named 'server'")
