"""`--set path=value`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.scenarios.overrides import apply_overrides
from cutlayer.scenarios.yaml_text import read as read_yaml


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("training.rounds=5", ("training", "rounds"), 5),
        ("training.optimizer.lr=1e-2", ("training", "optimizer", "lr"), 0.01),
        ("training.local_epochs=2", ("training", "local_epochs"), 2),
        ("training.optimizer={name: adam, lr: 0.1}", ("training", "optimizer", "name"), "adam"),
        ("stop.target_accuracy=0.9", ("stop", "target_accuracy"), 0.9),
        ("data.partition={dirichlet: 0.3}", ("data", "partition", "alpha"), 0.3),
        ("topology.star.clients.0.count=9", ("topology", "clients", 0, "count"), 9),
        ("topology.star.clients.1.link={up: 1 MB/s, down: 2 MB/s, delay: 0 s}",
         ("topology", "clients", 1, "link", "up"), 1e6),
        ("topology.star.server.link=us-5g", ("topology", "server", "link"), "us-5g"),
        ("methods.1.ecofed.period=4", ("methods", 1, "options", "period"), 4),
        ("methods.1.ecofed.bits=null", ("methods", 1, "options", "bits"), None),
        ("methods.1.label=a=b", ("methods", 1, "label"), "a=b"),
        ("methods=[fedgkt]", ("methods", 0, "name"), "fedgkt"),
        ("description=", ("description",), ""),
        (" name = other ", ("name",), "other"),
    ],
)  # fmt: skip
def test_an_override_replaces_one_value(small, read, override, path, value):
    if override == "description=":
        override = "description=''"
    found = read(small, override).scenario
    for key in path:
        found = found[key] if isinstance(key, int) else getattr(found, key)
    assert found == value


def test_a_bare_name_can_get_options(small, read):
    text = small.replace("- classic_fl", "- ecofed")
    methods = read(text, "methods.0.ecofed.period=7", "methods.0.ecofed.bits=4").scenario.methods
    assert (methods[0].options.period, methods[0].options.bits) == (7, 4)
    assert methods[1].options.period == 3


def test_keys_with_dots_are_found(small, read):
    text = small.replace("- classic_fl", "- {my.own:Method: {x: 1}}")
    methods = read(
        text, "methods.0.my.own:Method.x=2", "methods.0.my.own:Method.y=3"
    ).scenario.methods
    assert methods[0].options == {"x": 2, "y": 3}


def test_seed_and_seeds_replace_each_other(small, read):
    assert read(small, "seeds=[4, 5]").scenario.all_seeds == (4, 5)
    assert read(small, "seeds=[4, 5]", "seed=6").scenario.all_seeds == (6,)


def test_the_last_of_two_wins_and_the_document_is_unchanged(small, read):
    assert read(small, "training.rounds=5", "training.rounds=6").scenario.training.rounds == 6
    assert read(small).scenario.training.rounds == 2


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.rounds", '--set: must have the form path.to.key=value (got "training.rounds")'),
        ("=3", '--set: must have the form path.to.key=value (got "=3")'),
        (
            "training.round=3",
            "--set: training.round: is an unknown key; did you mean 'rounds'? (got 3)",
        ),
        ("traning.rounds=3", "--set: traning: is an unknown key; did you mean 'training'?"),
        ("training.rounds=x", '--set: training.rounds: must be a whole number (got "x")'),
        ("training.rounds=[1", "--set: is not valid YAML: found the end of the file where"),
        ("training={rounds: 1, rounds: 2}", "--set: rounds: is written twice"),
        ("name.first=3", '--set: name.first: cannot be set inside a single value (got "small")'),
        (
            "methods.2=fedgkt",
            "--set: methods.2: must be the number of one of the 2 entries, from 0",
        ),
        ("methods.ecofed.period=2", "--set: methods.ecofed: must be the number of one of the 2"),
        ("methods.0.ecofed=2", "--set: methods.0.ecofed: cannot be set inside a single value"),
        ("topology.star.clients.0.count=-1", "clients.0.count: must be at least 1 (got -1)"),
        ("training.clients_per_round=6", "must be at most 5, the number of clients (got 6)"),
    ],
)
def test_what_does_not_fit_has_the_origin_set(small, problems, override, said):
    (found,) = [line for line in problems(small, override) if said in line]
    assert found.startswith("--set: ")


def test_an_override_can_correct_a_file(small, read, problems):
    broken = small.replace("rounds: 2", "rounds: none")
    assert problems(broken) == ['s.yaml:8: training.rounds: must be a whole number (got "none")']
    assert read(broken, "training.rounds=1").scenario.training.rounds == 1


def test_a_problem_beside_an_override_keeps_its_line(small, problems):
    text = small.replace("lr: 0.01", "lr: 0")
    found = problems(text, "training.optimizer.momentum=2")
    assert found == [
        "s.yaml:11: training.optimizer.lr: must be greater than 0 (got 0)",
        "--set: training.optimizer.momentum: must be less than 1 (got 2)",
    ]


def test_the_time_of_many_overrides_is_linear():
    """A thousand overrides in a file of a thousand lists: none of them visits all values."""
    text = "entries:\n" + "".join(f"- {{a: {n}}}\n" for n in range(1000))
    document = read_yaml(text, "s.yaml")
    found, problems = apply_overrides(document, [f"entries.{n}.a=1" for n in range(1000)])
    assert problems == []
    assert found.data == {"entries": [{"a": 1}] * 1000}


PLACES = ("a", "a.b", "a.b.c", "l", "l.0", "l.0.x", "new", "new.deep.er", "new.deep")
VALUES = ("1", "{b: {c: 2}}", "[3, {x: 4}]")


@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(VALUES)), max_size=6))
def test_places_are_those_of_the_overrides_one_after_another(pairs):
    document = read_yaml("a: {b: {c: 1}}\nl: [{x: 1}]\n", "s.yaml")
    overrides = [f"{place}={value}" for place, value in pairs]
    at_once, problems = apply_overrides(document, overrides)
    singly = document
    for override in overrides:
        singly, more = apply_overrides(singly, [override])
        assert all(problem in problems for problem in more)
    assert at_once.data == singly.data
    assert at_once.origins == singly.origins


def test_a_path_of_too_many_keys_is_refused():
    document = read_yaml("a: 1\n", "s.yaml")
    _, problems = apply_overrides(document, [".".join("x" * 5000) + "=1"])
    assert [problem.rule for problem in problems] == ["is nested more than 32 levels deep"]
