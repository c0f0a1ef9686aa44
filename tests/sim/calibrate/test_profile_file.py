"""Profile files: a scenario reads what calibrate writes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import machine

from cutlayer.scenarios.profile_file import read_profile
from cutlayer.topologies import catalogue
from cutlayer.topologies.catalogue.profile_file import ProfileFileError, measured, profile_text
from cutlayer.topologies.covariance import Covariance
from cutlayer.topologies.figures import figures_of

FIGURES = (
    "memory_bandwidth_bytes_per_s",
    "optimizer_bytes_per_s",
    "weight_bytes_per_s",
    "layer_overhead_s",
    "iteration_overhead_s",
    "loader_s_per_iteration",
    "loader_s_per_sample",
    "optimizer_overhead_s",
    "round_overhead_s",
    "memory_bytes",
)
FLOATS = (*FIGURES[:5], "optimizer_overhead_s")


def test_a_profile_is_read_back_from_its_file(tmp_path: Path):
    profile = machine(round_overhead_s=0.5, sources=("here",), description="a machine")
    path = tmp_path / "p.yaml"
    path.write_text(
        profile_text(measured(profile, "a note"), "two lines\nof comment"), encoding="utf-8"
    )
    found = read_profile(path, "synthetic")
    for name in FIGURES:
        assert getattr(found, name) == pytest.approx(getattr(profile, name), rel=1e-5), name
    assert figures_of(found) == pytest.approx(figures_of(profile), rel=1e-5)
    assert found.description == "a machine"
    assert set(found.notes.values()) == {"a note"}
    assert path.read_text(encoding="utf-8").startswith("# two lines\n# of comment\n")


def test_the_file_marks_figures_that_were_not_measured(tmp_path: Path):
    path = tmp_path / "p.yaml"
    derived = {
        "rates.norm": "kept at its prior",
        "memory_bandwidth": "guessed from others",
        "columns": "backward: not known",
    }
    path.write_text(
        profile_text(measured(machine(sources=("here",), description="x"), "fitted", derived)),
        encoding="utf-8",
    )
    found = read_profile(path, "synthetic")
    assert found.notes["rates.norm"] == "fitted; kept at its prior"
    assert found.notes["memory_bandwidth_bytes_per_s"] == "fitted; guessed from others"
    assert found.notes["rates.conv"] == "fitted"
    status = {name for name, status in found.status.items() if status == "derived"}
    assert status == {"rates.norm", "memory_bandwidth_bytes_per_s", "column_bytes_per_s"}
    assert set(found.status.values()) == {"derived", "measured"}


def fitted(**changes):
    """A profile with all optional sections."""
    known = Covariance(
        ("rates.conv.forward", "columns.backward", "layer_overhead"),
        ((0.04, 0.01, -0.02), (0.01, 0.09, 0.0), (-0.02, 0.0, 0.25)),
    )
    profile = measured(
        machine(
            sources=("here",),
            description="x",
            covariance=known,
            form_error=0.08,
            host_speed=0.5,
            fallback={"pointwise": "conv"},
            power_w={"idle": 2.5, "compute": 5.0},
            stack="own",
            **changes,
        ),
        "a note",
        {"layer_overhead": "moved by x1.23"},
    )
    return replace(
        profile,
        status={**profile.status, "form_error": "derived"},
        notes={**profile.notes, "form_error": "on held-out cases"},
    )


def test_covariance_form_error_and_stack_are_read_back(tmp_path: Path):
    profile, path = fitted(), tmp_path / "p.yaml"
    path.write_text(profile_text(profile), encoding="utf-8")
    found = read_profile(path, "synthetic")
    for name in ("covariance", "form_error", "host_speed", "fallback", "power_w", "stack"):
        assert getattr(found, name) == getattr(profile, name), name
    assert (dict(found.status), dict(found.notes)) == (profile.status, profile.notes)
    assert profile_text(found) == path.read_text(encoding="utf-8")


def test_every_device_of_the_catalogue_with_rates_is_read_back(tmp_path: Path):
    for name in catalogue.device_names():
        profile, path = catalogue.device(name), tmp_path / f"{name}.yaml"
        if not profile.coarse:
            path.write_text(profile_text(profile), encoding="utf-8")
            found = read_profile(path, name)
            assert figures_of(found) == pytest.approx(figures_of(profile), rel=1e-5)
            assert replace(found, **dict.fromkeys(FLOATS, 1.0)) == replace(
                replace(profile, **dict.fromkeys(FLOATS, 1.0)),
                rates=found.rates,
                weight_stream_bytes_per_s=found.weight_stream_bytes_per_s,
                column_bytes_per_s=found.column_bytes_per_s,
            )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "columns.backward, layer",
            "columns.backwards, layer",
            "covariance.figures.1: must be a figure of the profile; did you mean 'columns.backward'?",
        ),
        ("columns.backward, layer", "layer", "must have 2 rows, one for each figure (got 3)"),
        ("[0.04000, ", "[", "row 1 must have 3 numbers (got 2)"),
        ("-0.02000, 0.00000,", "0.02, 0.0,", "must be symmetric (got -0.02 for rates.conv.forward"),
        ("0.04000", "-0.04", "must not have a negative eigenvalue (got -0.0"),
        ("0.04000", ".nan", "every number must lie between -100 and 100"),
        ("0.04000", "x", 'covariance.logs.0.0: must be a number (got "x")'),
        (
            "figures: [",
            "figure: [",
            "covariance.figure: is an unknown key; did you mean 'figures'?",
        ),
        ("value: 0.08", "value: -0.08", "form_error.value: must be at least 0 (got -0.08)"),
        ("value: 0.08", "value: .inf", "form_error.value: must be less than 10"),
        ("stack: own", "stack: 1", "stack: must be text"),
    ],
)
def test_a_wrong_covariance_is_named_with_its_line(tmp_path: Path, old, new, said):
    path = tmp_path / "p.yaml"
    text = profile_text(fitted())
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ProfileFileError) as refused:
        read_profile(path, "mine")
    message = str(refused.value)
    assert "\n" not in message
    assert said in message
    assert re.match(rf"device profile {re.escape(str(path))}:\d+: ", message)


def test_missing_figures_are_not_written(tmp_path: Path):
    profile = machine(
        weight_bytes_per_s=None,
        weight_stream_bytes_per_s=None,
        column_bytes_per_s=None,
        sources=("here",),
    )
    path = tmp_path / "p.yaml"
    path.write_text(
        profile_text(measured(replace(profile, description="x", memory_bytes=None), "a note")),
        encoding="utf-8",
    )
    found = read_profile(path, "synthetic")
    assert found.weight_bytes_per_s is None
    assert found.weight_stream_bytes_per_s is found.column_bytes_per_s is None
    assert found.memory_bytes is None


def test_keys_of_the_old_spelling_are_read_and_reported(tmp_path: Path, capsys):
    path = tmp_path / "p.yaml"
    text = profile_text(measured(machine(sources=("here",), description="a machine"), "a note"))
    path.write_text(text, encoding="utf-8")
    expected = read_profile(path, "mine")
    assert capsys.readouterr().err == ""

    path.write_text(text.replace("optimizer_", "optimiser_"), encoding="utf-8")
    assert read_profile(path, "mine") == expected
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith(": optimiser_bandwidth is deprecated: write optimizer_bandwidth")
    assert second.endswith("optimiser_overhead is deprecated: write optimizer_overhead")
    assert first.startswith(
        f"{path}:{text[: text.index('optimizer_bandwidth')].count(chr(10)) + 1}: "
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "does not exist"),
        (b"\xff\xfe", "is text in UTF-16"),
        (b"a: \xff", r"is not text in UTF-8 .line 1"),
        (b"", "p.yaml:1: is empty"),
        (b"rates: [", "p.yaml:1: is not valid YAML"),
        (b"- 1", "p.yaml:1: must be a mapping"),
        (b"description: x\nsources: [y]\n", "give one of rates, scaled_from, speed"),
        (b"description: x\nsources: [y]\nspeed: {value: 5 GFLOP, status: measured}", "GFLOP"),
        (
            b"description: x\nsources: [y]\n"
            b"scaled_from: {device: z, forward: 1.0, backward: 1.0, memory: 1.0, optimizer: 1.0,"
            b" overhead: 1.0, status: derived, note: n}",
            "cannot be scaled from another",
        ),
    ],
)
def test_a_file_that_is_not_a_profile_is_refused_in_one_sentence(tmp_path: Path, content, said):
    path = tmp_path / "p.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProfileFileError, match=said) as refused:
        read_profile(path, "mine")
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)


def changed(folder: Path, old: str, new: str) -> str:
    """The message about a valid profile after one replacement."""
    text = profile_text(measured(machine(sources=("here",), description="a machine"), "a note"))
    assert old in text
    path = folder / "p.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ProfileFileError) as refused:
        read_profile(path, "mine")
    said = str(refused.value)
    assert "\n" not in said
    assert said.startswith(f"device profile {path}:")
    return said.removeprefix(f"device profile {path}:")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "status: measured",
            "status: 0b_",
            "status: must be measured, derived, published, recalled",
        ),
        ("status: measured", "status: 2001-02-30", "status: must be measured, derived, published"),
        ("status: measured", "status: measured\n    stat: guess", "stat: is an unknown key"),
        (
            "description:",
            "descriptoin:",
            "1: descriptoin: is an unknown key; did you mean 'description'?",
        ),
        (
            "description:",
            "sources: [a]\ndescription:",
            "sources: is written twice, first on line 1",
        ),
        ("memory_bandwidth:", "memory_bandwith:", "unknown key; did you mean 'memory_bandwidth'"),
        ("memory_bandwidth:\n  value: ", "memory_bandwidth:\n  value: -", "is negative"),
        ("memory_bandwidth:\n  value: ", "memory_bandwidth:\n  value: x", "value: 'x"),
        ("memory_bandwidth:\n  value: ", "memory_bandwidth:\n  value: 1\n  note: ", "must be text"),
        ("layer_overhead:\n  value: ", "layer_overhead:\n  value: 1e999 s # ", "is too large"),
        ("  conv:", "  convv:", "unknown class of operations 'convv'; did you mean 'conv'"),
        (
            "forward:",
            "forward: {}\n    forwards:",
            "forwards: is an unknown key; did you mean 'forward'",
        ),
        (" GFLOP/s", " GFLOPS", "'GFLOPS' in"),
        ("rates:", "rates: &a {conv: *a}\nrate:", "contains itself by an alias"),
        ("columns:", "colums:", "unknown key; did you mean 'columns'"),
        ("columns:\n  forward: ", "columns:\n  forward: -", "columns.forward: "),
        (
            "weight_stream:\n  forward: ",
            "weight_stream:\n  fwd: ",
            "weight_stream.fwd: is an unknown key; did you mean 'forward'?",
        ),
        (
            "rates:",
            "power_w: {compte: {value: 1.0, status: measured}}\nrates:",
            "must be idle, comp",
        ),
        ("rates:", "power_w: {idle: {value: -1, status: measured}}\nrates:", "must be at least 0"),
        (
            "rates:",
            "power_w: {idle: {value: .nan, status: measured}}\nrates:",
            "must be less than 1e",
        ),
        (
            "rates:",
            "memory: {value: 1e999 B, status: measured}\nrates:",
            "must be at most 9.2e18 B",
        ),
        ("rates:", "memory: {value: 0 B, status: measured}\nrates:", "must be greater than 0"),
        (" GFLOP/s", "e-300 GFLOP/s", "must be at least 1 FLOP/s"),
        ("rates:", "memory: {value: 0.5 B, status: measured}\nrates:", "not a whole number of byt"),
    ],
)
def test_a_wrong_value_in_a_profile_is_named_with_its_line(tmp_path: Path, old, new, said):
    assert said in changed(tmp_path, old, new)


@pytest.mark.parametrize("size", ["0", "-1", "x", "2.5", "1" * 400])
def test_an_impossible_map_size_is_refused(tmp_path: Path, size):
    path = tmp_path / "p.yaml"
    rate = f"{{forward: {{{size}: 1 GFLOP/s}}, backward: 1 GFLOP/s, status: measured}}"
    path.write_text(f"description: x\nsources: [y]\nrates: {{conv: {rate}}}\n", encoding="utf-8")
    with pytest.raises(ProfileFileError, match=r"p\.yaml:3: rates\.conv\.forward") as refused:
        read_profile(path, "mine")
    assert "\n" not in str(refused.value)


def test_a_profile_that_is_too_long_is_refused(tmp_path: Path):
    path = tmp_path / "p.yaml"
    path.write_text("# comment\n" * 30_000, encoding="utf-8")
    with pytest.raises(ProfileFileError, match=r"is longer than 256 KiB, the most that is"):
        read_profile(path, "mine")
