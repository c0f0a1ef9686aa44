"""Extreme values: each is refused in one line, or bounded, in little time."""

import pytest

from cutlayer.scenarios.load import read_text
from cutlayer.scenarios.problems import MAX_SHOWN, Problem, ScenarioError, printable, show
from cutlayer.suggestion import suggestion
from cutlayer.topologies.units import QuantityError, parse_rate

QUANTITIES = [
    ("1e-4 bit/s", "1 bit/s", "up", "must be at least 0.001 bit/s"),
    ("1e19 bit/s", "1 Gbit/s", "up", "must be at most 1e18 bit/s"),
    ("1e999999999 bit/s", "1 bit/s", "up", "is too large or too small to be a number"),
    ("2e12 s", "1e12 s", "delay", "must be at most 1e12 s"),
    ("1e-9999 s", "0 s", "delay", "is too large or too small to be a number"),
]


@pytest.mark.parametrize(("beyond", "within", "field", "rule"), QUANTITIES)
def test_quantities_that_the_clock_cannot_count_are_refused(
    beyond, within, field, rule, read, problems, small
):
    path = f"topology.star.clients.0.link.{field}"
    (told,) = problems(small, f"{path}={beyond}")
    assert told.startswith(f"--set: {path}: ")
    assert rule in told
    assert read(small, f"{path}={within}")


@pytest.mark.parametrize(
    ("field", "beyond", "within", "rule"),
    [
        ("memory", "1e400 B", "9.2e18 B", "must be at most 9.2e18 B"),
        ("memory", "1e999 B", "1 B", "must be at most 9.2e18 B"),
        ("speed", "1e-10 GFLOP/s", "1 FLOP/s", "must be at least 1 FLOP/s"),
        ("speed", "1e25 FLOP/s", "1e24 FLOP/s", "must be at most 1e24 FLOP/s"),
    ],
)
def test_devices_of_impossible_size_are_refused(field, beyond, within, rule, read, problems, small):
    device = {"speed": "1 GFLOP/s", "memory": "1 GiB"}

    def written(value):
        return "devices={mine: {" + ", ".join(f"{k}: {v}" for k, v in value.items()) + "}}"

    (told,) = problems(small, written(device | {field: beyond}))
    assert told.startswith(f"--set: devices.mine.{field}: {rule}")
    assert read(small, written(device | {field: within}))


GRAPH = """
topology:
  graph:
    server: {device: server-8-core, slots: 1, name: NAME}
    nodes: {a: {client: {device: raspberry-pi-4b, count: 5}}}
    edges: [{from: a, to: nowhere, link: 4g}]
"""


@pytest.mark.parametrize(
    ("name", "shown"), [("{x: 1}", '{"x": 1}'), ("[a]", '["a"]'), ("null", "null"), ("7", "7")]
)
def test_a_servers_name_that_is_not_text_is_reported_once(name, shown, problems, small):
    before, after = small.split("topology:")[0], "methods: [classic_fl]\n"
    told = problems(before + GRAPH.replace("NAME", name) + after)
    assert told == [f"s.yaml:15: topology.graph.server.name: must be text (got {shown})"]


@pytest.mark.parametrize(
    "override",
    [
        "topology.star.clients.0.device=[x]",
        "topology.star.clients.0.device={x: 1}",
        "topology.star.clients.0.device=null",
        "topology.star.clients.0.link=7",
        "model.name=[[]]",
        "data.dataset=2024-02-30",
        "methods=[{[x]: 1}]",
        "methods=[null]",
        "methods=[{7: null}]",
        "training.optimizer.name={sgd: 1}",
        "topology.star.clients.0.link={name: null}",
        "transport=[tcp]",
        f"seed={'9' * 5000}",
        f"training.rounds=-{'9' * 5000}",
        f"topology.star.clients.0.device={'x' * 300}",
        f"model.name={'lenet' * 2000}",
        'name="a\\x1fb"',
        'model.name="\\x1b[31m"',
        'topology.star.clients.0.name="\\u202e"',
    ],
)
def test_names_and_numbers_of_any_form_are_answered_in_short_lines(override, problems, small):
    for line in problems(small, override):
        assert line.isprintable()
        assert len(line) < 500, line
        assert "--set: " in line


def test_a_hundred_problems_are_counted():
    problems = [Problem((f"k{n:03}",), n, "is odd", n, "f.yaml") for n in range(1, 101)]
    lines = str(ScenarioError(problems)).split("\n")
    assert len(lines) == MAX_SHOWN + 1 == 51
    assert lines[0] == "f.yaml:1: k001: is odd (got 1)"
    assert lines[-1] == "... and 50 more problems"
    assert str(ScenarioError(problems[:51])).endswith("... and 1 more problem")
    assert "more problem" not in str(ScenarioError(problems[:50]))
    assert len(ScenarioError(problems).problems) == 100


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain ü \U0001f600", "plain ü \U0001f600"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb", "a\\nb"),
        ("\u202e", "\\u202e"),
        ("\ud800", "\\ud800"),
    ],
)
def test_characters_that_a_terminal_acts_on_are_shown_as_escapes(text, written):
    assert printable(text) == written
    assert show([text]).isprintable()


def test_the_closest_name_ignores_choices_that_are_not_names():
    assert (
        suggestion("ab", [None, 1, ["ab"], {"ab": 1}, "abc", "x" * 10**6])
        == "; did you mean 'abc'?"
    )
    assert suggestion("x" * 10**6, ["x" * 10**6]) == ""
    assert suggestion("zz", [None, "a\x1b"]) == ""


def test_a_number_beyond_all_bounds_is_not_reported_as_a_wrong_unit():
    with pytest.raises(QuantityError, match=r"^'1e9999 bit/s' is too large or too small"):
        parse_rate("1e9999 bit/s")


def test_a_quantity_of_any_length_is_answered_in_a_short_line():
    for value in ("9" * 5000, 10**5000, "1 " + "x" * 5000, "9" * 5000 + " B", ["x" * 999]):
        with pytest.raises(QuantityError) as caught:
            parse_rate(value)
        assert len(str(caught.value)) < 300


def test_text_in_utf_16_is_recognised(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_bytes("name: x\n".encode("utf-16"))
    with pytest.raises(ScenarioError, match=r"s.yaml:1: is text in UTF-16; save it in UTF-8$"):
        read_text(file)


def test_counts_are_bounded(read, problems, small):
    (told,) = problems(small, f"training.batch_size={10**15 + 1}")
    assert told.startswith("--set: training.batch_size: must be at most 1e+15")
    assert read(small, f"training.batch_size={10**15}")
