"""Problems of a scenario: between its sections, all at once, from later checks, as text."""

import pickle

import pytest
from pydantic import BaseModel, ValidationError

from cutlayer.scenarios import MISSING, Problem, ScenarioError
from cutlayer.scenarios.messages import problems_of

WIFI = """\
  wifi_cell:
    server: {device: laptop-8-core, slots: 2}
    delay: 2 ms
    clients: [{device: raspberry-pi-4b, count: 5}]
"""
GRAPH = """\
  graph:
    server: {name: cloud, device: server-8-core, slots: 1}
    nodes:
      ap: relay
      pi: {client: {device: raspberry-pi-4b, count: 5}}
    media: {air: {rate: 38 Mbit/s}}
    edges:
      - {from: pi, to: ap, medium: air, delay: 2 ms}
      - {from: ap, to: cloud, link: fcc-fixed}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "delay: 2 ms",
            "delay: 2 ms",
            "clients.0.rate: is required without a rate of the whole cell",
        ),
        (
            "    delay: 2 ms\n    clients: [{",
            "    delay: 2 ms\n    rate: 38 Mbit/s\n    clients: [{rate: 5 Mbit/s, ",
            "clients.0.rate: is not allowed together with the rate of the whole cell",
        ),
        ("delay: 2 ms", "rate: 38 Mbit/s", "topology.wifi_cell.delay: is required"),
        (
            "clients: [{device: raspberry-pi-4b, count: 5}]",
            "clients: []",
            "clients: must not be empty",
        ),
    ],
)
def test_a_wifi_cell_has_its_rates_once(small, problems, old, new, said):
    star = small[small.index("  star:") : small.index("methods:")]
    text = small.replace(star, WIFI.replace(old, new, 1))
    assert any(said in line for line in problems(text))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("link: fcc-fixed", "link: fcc-fixed", "edges.1.link: has no known delay"),
        ("to: ap,", "to: app,", "edges.0.to: is not a node of the graph; did you mean 'ap'?"),
        ("medium: air", "medium: aer", "edges.0.medium: is not one of the media of the graph; did"),
        ("from: ap", "from: cloud", "edges.1.to: must be another node than the one in from"),
        ("from: ap, to: cloud", "from: ap, to: pi", "edges.1: joins the same nodes as edge 0"),
        ("name: cloud, ", "name: pi, ", "nodes.pi: is also the name of the server"),
        (
            "ap: relay",
            "ap: relais",
            "nodes.ap: has the unknown choice \"relais\"; did you mean 'relay'",
        ),
        (
            "device: raspberry-pi-4b",
            "device: rasp",
            "nodes.pi.client.device: is not a known device",
        ),
        ("count: 5", "count: 2", "clients_per_round: must be at most 2, the number of clients"),
    ],
)
def test_a_graph_names_its_own_nodes(small, problems, old, new, said):
    star = small[small.index("  star:") : small.index("methods:")]
    text = small.replace(star, GRAPH.replace(old, new, 1))
    assert any(said in line for line in problems(text))


def test_a_key_missing_in_a_short_form_is_named(small, problems):
    text = small[: small.index("topology:")] + "topology: star\nmethods: [classic_fl]\n"
    assert problems(text) == [
        "s.yaml:12: topology.star.server: is required (got nothing)",
        "s.yaml:12: topology.star.clients: is required (got nothing)",
    ]


def test_names_of_groups_are_unique(small, problems):
    text = small.replace("count: 2,", "count: 2, name: a,").replace(
        "count: 3,", "count: 3, name: a,"
    )
    said = "s.yaml:17: topology.star.clients.1.name: is also the name of topology.star.clients.0"
    assert problems(text) == [f'{said} (got "a")']


def test_all_problems_at_once_in_the_order_of_the_file(small, problems):
    text = (
        small.replace("seed: 3", "sede: 3")
        .replace("digits", "digitz")
        .replace("cut: 1", "cut: 1.5")
        .replace("  rounds: 2\n", "  rounds: 2\n  rounds: 3\n")
        .replace("clients_per_round: 3", "clients_per_round: 30")
        .replace("up: 10 Mbit/s", "up: 10")
        .replace("link: 4g", "link: 5g")
        .replace("classic_fl", "clasic_fl")
        .replace("period: 3", "period: -3")
    )
    found = problems(text, "training.evaluate_every=0", "methods.7=x")
    assert [line.split(": ")[:2] for line in found] == [
        ["s.yaml:2", "sede"],
        ["s.yaml:4", "data.dataset"],
        ["s.yaml:6", "model.cut"],
        ["s.yaml:9", "training.rounds"],
        ["s.yaml:10", "training.clients_per_round"],
        ["s.yaml:17", "topology.star.clients.0.link.up"],
        ["s.yaml:18", "topology.star.clients.1.link"],
        ["s.yaml:20", "methods.0"],
        ["s.yaml:21", "methods.1.ecofed.period"],
        ["--set", "methods.7"],
        ["--set", "training.evaluate_every"],
    ]


def test_a_later_check_adds_its_problem_at_the_right_line(small, read):
    loaded = read(small)
    out_of_range = loaded.problem(("model", "cut"), "must be 0 to 5 for vgg5")
    given = loaded.problem(("methods", 1, "ecofed", "weights"), "cannot be read", "x.safetensors")
    error = ScenarioError([given, out_of_range])
    assert str(error) == (
        "s.yaml:6: model.cut: must be 0 to 5 for vgg5 (got 1)\n"
        's.yaml:20: methods.1.ecofed.weights: cannot be read (got "x.safetensors")'
    )


def test_a_users_own_method_reports_its_options_in_the_same_way(small, read, known):
    model = known["methods"]["ecofed"]
    loaded = read(small.replace("  - classic_fl", "  - {my.module:Mine: {perid: 3}}"))
    options = loaded.scenario.methods[0].options
    with pytest.raises(ValidationError) as caught:
        model.model_validate(options)
    found = problems_of(loaded.document, caught.value, model, ("methods", 0, "my.module:Mine"))
    assert [str(problem) for problem in found] == [
        "s.yaml:19: methods.0.my.module:Mine.perid: is an unknown key; did you mean 'period'?"
        " (got 3)"
    ]


def test_what_every_form_of_a_union_refuses_is_one_problem(small, read):
    class Either(BaseModel):
        value: int | bool

    loaded = read(small.replace("  - classic_fl", "  - {my.module:Mine: {value: x}}"))
    with pytest.raises(ValidationError) as caught:
        Either.model_validate(loaded.scenario.methods[0].options)
    (found,) = problems_of(loaded.document, caught.value, Either, ("methods", 0, "my.module:Mine"))
    assert str(found) == (
        "s.yaml:19: methods.0.my.module:Mine.value: "
        'must be a whole number, or must be true or false (got "x")'
    )


def test_the_error_survives_being_rebuilt_from_its_arguments():
    error = ScenarioError([Problem(("a", 1), 3, "is wrong", [2], "f.yaml")])
    again = type(error)(*error.args)
    assert str(again) == str(error) == "f.yaml:3: a.1: is wrong (got [2])"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_long_values_and_strange_keys_stay_on_one_line():
    text = str(Problem(("a\nb",), 1, "is wrong", "x" * 1000, "f.yaml"))
    assert text.startswith('f.yaml:1: "a\\nb": is wrong (got "xxx')
    assert len(text) < 120
    assert (
        str(Problem(("a",), None, "is required", MISSING, "f")) == "f: a: is required (got nothing)"
    )


def test_an_empty_section_is_a_problem(small, problems):
    for section in ("data", "model", "training", "topology", "methods"):
        start = small.index(f"\n{section}:") + 1
        end = start + len(section) + 1
        following = [
            index
            for index in range(end, len(small))
            if small[index - 1] == "\n" and small[index] not in " -"
        ]
        text = small[:end] + "\n" + (small[following[0] :] if following else "")
        assert any(f": {section}: must " in line for line in problems(text)), section
