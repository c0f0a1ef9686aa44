"""Texts that are not YAML: the line, how it is indented, and what YAML expected there."""

import pytest

from cutlayer.scenarios.problems import ScenarioError
from cutlayer.scenarios.yaml_text import read

CASES = {
    "a key deeper than its neighbour": (
        "training:\n  rounds: 1\n    batch_size: 2\n",
        3,
        "the line is indented by 4 spaces; YAML expected 2, as on line 2",
    ),
    "a key deeper than its neighbour, comments between": (
        "training:\n  rounds: 1\n\n  # or more\n    batch_size: 2\n",
        5,
        "the line is indented by 4 spaces; YAML expected 2, as on line 2",
    ),
    "a key between two levels": (
        "training:\n    rounds: 1\n  batch_size: 2\nmodel: 1\n",
        3,
        "the line is indented by 2 spaces; YAML expected 4, as on line 2, or 0, as on line 1",
    ),
    "the first key deeper": (
        "  name: x\nseed: 1\n",
        2,
        "the line is indented by 0 spaces; YAML expected 2, as above",
    ),
    "a list entry between two levels": (
        "methods:\n  - a\n - b\n",
        3,
        "the line is indented by 1 space; YAML expected 2, as on line 2, or 0, as on line 1",
    ),
    "the keys of an entry, less": (
        "clients:\n  - device: a\n   count: 1\n",
        3,
        "the line is indented by 3 spaces; YAML expected 2, as on line 2",
    ),
    "the keys of an entry, more": (
        "clients:\n  - device: a\n      count: 1\n",
        3,
        "the line is indented by 6 spaces; YAML expected 4, as on line 2",
    ),
    "a key among list entries": (
        "methods:\n  - a\n  b: c\n",
        3,
        "a key, where the block that begins on line 2 has list entries ('- '):"
        " YAML expected 4 spaces to continue the entry",
    ),
    "a list entry among keys": (
        "topology:\n  star: 1\n  - a\n",
        3,
        "a list entry ('- '), where the block that begins on line 2 has keys:"
        " indent it below the key it belongs to",
    ),
    "a value left out": ("rates: [1, , 2]\n", 1, "a value is missing before ','"),
    "a tab": ("training:\n\trounds: 1\n", 2, "a tab cannot indent; use spaces"),
    "a colon without a space": (
        "name:x\nseed: 1\n",
        2,
        "a key where line 1 has text: a space is missing after its ':'",
    ),
    "text and then a key": (
        "hello\nseed: 1\n",
        2,
        "a key where line 1 has text, which cannot hold keys",
    ),
    "a brace left open": (
        "model: {name: x, cut: 1\nseed: 1\n",
        2,
        "found ':' where the '{' of line 1 is still open: YAML expected ',' or '}'",
    ),
    "a comma missing": (
        "model: {name: x cut: 1}\n",
        1,
        "found ':' where the '{' of line 1 is still open: YAML expected ',' or '}'",
    ),
    "the wrong bracket": (
        "rates: [1, 2}\n",
        1,
        "found '}' where the '[' of line 1 is still open: YAML expected ',' or ']'",
    ),
    "a brace too many": (
        "model: {name: x}}\n",
        1,
        "found '}', which does not match anything on the line",
    ),
    "a quote left open": (
        "name: 'x\nseed: 1\n",
        1,
        "the quote that opens on this line is never closed",
    ),
    "a second colon": (
        "description: a: b\n",
        1,
        "a second ': ' on the line; put the text in quotes",
    ),
    "an at sign": ("name: @x\n", 1, "a value cannot begin with '@'; put it in quotes"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_text_that_is_not_yaml_is_explained(name):
    text, line, reason = CASES[name]
    with pytest.raises(ScenarioError) as caught:
        read(text, "s.yaml")
    assert str(caught.value) == f"s.yaml:{line}: is not valid YAML: {reason}"


def test_whatever_cannot_be_explained_has_a_line_and_one_sentence():
    for text in ("%x\n", "name: *x\n", "name: &\n", "a: !<x\n", "- [\n", "{\n", "? [\n", '"\\q"\n'):
        with pytest.raises(ScenarioError) as caught:
            read(text, "s.yaml")
        told = str(caught.value)
        assert told.startswith("s.yaml:")
        assert told.isprintable(), told
