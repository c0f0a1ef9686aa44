"""Reading YAML: values, lines, and files that are not scenarios."""

import json

import pytest

from cutlayer.scenarios import ScenarioError, load, load_text
from cutlayer.scenarios.problems import MISSING
from cutlayer.scenarios.yaml_text import MAX_BYTES, MAX_DEPTH, read


def complaint(text):
    with pytest.raises(ScenarioError) as caught:
        read(text, "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-2.", -2.0),
        ("10_000", 10000),
        ("007", 7),
        ("0x1f", 31),
        ("0o17", 15),
        ("-.inf", float("-inf")),
        ("true", True),
        ("yes", "yes"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2024-01-02", "2024-01-02"),
        ("'10'", "10"),
        ("~", None),
        ("", None),
        ("10 Mbit/s", "10 Mbit/s"),
        (r'"\ud83d\ude00"', "\N{GRINNING FACE}"),
        (r'"\ud83d"', "\N{REPLACEMENT CHARACTER}"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    found = read(f"a: {text}", "f").value(("a",))
    assert found == value
    assert type(found) is type(value)


def test_keys_are_text_whatever_they_look_like():
    assert read("{on: 1, 2: b, true: c, null: d}", "f").data == {
        "on": 1,
        "2": "b",
        "true": "c",
        "null": "d",
    }


def test_every_path_has_its_line():
    document = read("a: 1\nb:\n  - {c: 2,\n     d: 3}\n  -\n    e: >\n      text\n", "f")
    lines = {path: origin.line for path, origin in document.origins.items()}
    assert lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 0, "c"): 3,
        ("b", 0, "d"): 4,
        ("b", 1): 6,
        ("b", 1, "e"): 6,
    }
    assert document.origin(("b", 0, "x", "y")).line == 3
    assert document.value(("b", 1, "e")) == "text\n"
    assert document.value(("b", 2)) is MISSING


def test_aliases_are_expanded_to_separate_copies():
    document = read("a: &x [1, 2]\nb: *x\n", "f")
    assert document.data == {"a": [1, 2], "b": [1, 2]}
    assert document.data["a"] is not document.data["b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a:\n\t- 1\n", "f.yaml:2: is not valid YAML: a tab cannot indent; use spaces"),
        ("a: 1\nb: c: d\n", "f.yaml:2: is not valid YAML: a second ': ' on the line; put the text"),
        ("a: [1\nb: 2\n", "f.yaml:2: is not valid YAML: found ':' where the '[' of"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: is not valid YAML: one scenario a file"),
        ("a: *x\n", "f.yaml:1: is not valid YAML: found undefined alias"),
        ('a: 1\nb: "x\n', "f.yaml:2: is not valid YAML: the quote that opens on this line"),
        ("a: 1\nb: \x07\n", "f.yaml:2: is not valid YAML: the character"),
        ("a: &x\n  b: *x\n", f"is nested more than {MAX_DEPTH} levels deep (or contains itself"),
        ("[" * 100_000, f"f.yaml:1: is nested more than {MAX_DEPTH} levels deep"),
        ("a:\n" + "".join(" " * i + "a:\n" for i in range(1, 100)), "f.yaml:33: is nested more"),
        ("#" * (MAX_BYTES + 1), "f.yaml: is larger than 1 MiB"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(text, said):
    found = complaint(text)
    assert said in found
    assert "\n" not in found


def bomb(width, depth):
    lines = ["a0: &a0 [x]"]
    for level in range(1, depth):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]")
    return "\n".join(lines)


@pytest.mark.parametrize("text", [bomb(9, 12), bomb(2, 30)])
def test_a_yaml_bomb_is_refused_before_it_is_expanded(text):
    found = complaint(text)
    assert "holds more than 200000 values, aliases written out" in found
    assert "\n" not in found


def test_a_bomb_under_a_duplicate_key_is_refused():
    assert "holds more than 200000 values" in complaint(bomb(9, 6) + "\n" + "b: *a5\n" * 20)


def test_a_chain_of_aliases_is_as_deep_as_its_expansion():
    chain = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 2000))
    assert "levels deep" in complaint(chain)


def test_keys_written_twice_tags_and_merge_keys_are_problems_of_their_line():
    document = read(
        "a: 1\nb: {c: 2, c: [3]}\na: 4\nd: !!python/object/apply:os.system ['true']\n"
        "e: !own 5\n<<: {f: 1}\n? [g]\n: 2\n",
        "f.yaml",
    )
    assert [str(problem) for problem in document.problems] == [
        "f.yaml:2: b.c: is written twice, first on line 2 (got [3])",
        "f.yaml:3: a: is written twice, first on line 1 (got 4)",
        'f.yaml:4: d: has the tag "!!python/object/apply:os.system"; tags are not supported'
        ' (got ["true"])',
        'f.yaml:5: e: has the tag "!own"; tags are not supported (got "5")',
        'f.yaml:6: <<: merge keys are not supported; write the values out (got {"f": 1})',
        'f.yaml:7: must have plain text as keys (got ["g"])',
    ]
    assert document.data["a"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "s.yaml:1: is empty"),
        ("# only a comment\n", "s.yaml:1: is empty"),
        ("{}", "s.yaml:1: is empty"),
        ("- a\n- b\n", "s.yaml:1: must be a mapping with name, data, model and so on"),
        ("just text", "s.yaml:1: must be a mapping with name, data, model and so on"),
    ],
)
def test_a_file_that_is_not_a_mapping_is_refused(problems, text, said):
    assert problems(text) == [said]


def test_files_that_cannot_be_opened(tmp_path, known):
    def said(path):
        with pytest.raises(ScenarioError) as caught:
            load(path, **known)
        assert len(caught.value.problems) == 1
        return str(caught.value)

    assert said("quickstrat") == (
        "quickstrat: is neither a file nor a shipped scenario; did you mean 'quickstart'?"
    )
    assert "did you mean 'quickstart'?" in said(str(tmp_path / "quick_start.yaml"))
    assert " known are async_phones, c_sfl, " in said("zzz")
    assert "is a folder, not a file" in said(tmp_path)
    assert "cannot be read: File name too long" in said("x" * 5000)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"name: a\ndescription: caf\xe9\n")
    assert said(latin) == f"{latin}:2: is not text in UTF-8"
    large = tmp_path / "large.yaml"
    large.write_bytes("é".encode() * MAX_BYTES)
    assert said(large) == f"{large}: is larger than 1 MiB"


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path, small, known):
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + small.encode())
    assert load(file, **known).scenario.name == "small"


def test_a_shipped_name_takes_precedence_over_a_file(tmp_path, small, known, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("quickstart", "mine"):
        (tmp_path / name).write_text(small, encoding="utf-8")
    assert load("mine", **known).scenario.name == "small"
    assert load("quickstart", **known).scenario.name == "quickstart"
    assert load("./quickstart", **known).scenario.name == "small"


def test_json_is_yaml(small, read, known):
    text = json.dumps(read(small).resolved())
    assert load_text(text, source="s.json", **known).scenario == read(small).scenario
