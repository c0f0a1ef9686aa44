"""Profiles in files: what calibrate writes is what a scenario reads."""

from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import machine

from topologies.catalogue.profile_file import ProfileFileError, profile_text, read_profile

FIGURES = (
    "memory_bandwidth_bytes_per_s",
    "optimiser_bytes_per_s",
    "weight_bytes_per_s",
    "layer_overhead_s",
    "iteration_overhead_s",
    "loader_s_per_iteration",
    "loader_s_per_sample",
    "optimiser_overhead_s",
    "round_overhead_s",
    "memory_bytes",
)


def test_a_profile_comes_back_from_its_file(tmp_path: Path):
    profile = machine(round_overhead_s=0.5, sources=("here",), description="a machine")
    path = tmp_path / "p.yaml"
    path.write_text(profile_text(profile, "a note", "two lines\nof comment"))
    found = read_profile(path, "synthetic")
    for name in FIGURES:
        assert getattr(found, name) == pytest.approx(getattr(profile, name), rel=1e-5), name
    for op_class, table in profile.rates.items():
        for pass_ in ("forward", "backward"):
            expected = {side: pytest.approx(rate) for side, rate in table.of(pass_).items()}
            assert dict(found.rates[op_class].of(pass_)) == expected
    assert found.description == "a machine"
    assert set(found.notes.values()) == {"a note"}
    assert path.read_text().startswith("# two lines\n# of comment\n")


def test_figures_that_were_not_measured_say_so_in_their_file(tmp_path: Path):
    path = tmp_path / "p.yaml"
    derived = {"rates.norm": "kept at its prior", "memory_bandwidth": "guessed from others"}
    path.write_text(
        profile_text(machine(sources=("here",), description="x"), "fitted", "", derived)
    )
    found = read_profile(path, "synthetic")
    assert found.notes["rates.norm"] == "fitted; kept at its prior"
    assert found.notes["memory_bandwidth_bytes_per_s"] == "fitted; guessed from others"
    assert found.notes["rates.conv"] == "fitted"
    status = {name for name, status in found.status.items() if status == "derived"}
    assert status == {"rates.norm", "memory_bandwidth_bytes_per_s"}
    assert set(found.status.values()) == {"derived", "measured"}


def test_what_a_profile_has_not_is_not_written(tmp_path: Path):
    profile = machine(weight_bytes_per_s=None, sources=("here",))
    path = tmp_path / "p.yaml"
    path.write_text(profile_text(replace(profile, description="x", memory_bytes=None), "a note"))
    found = read_profile(path, "synthetic")
    assert found.weight_bytes_per_s is None
    assert found.memory_bytes is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"\xff\xfe", "expected a YAML text in UTF-8"),
        (b"rates: [", "while parsing"),
        (b"- 1", "the file"),
        (b"description: x\nsources: [y]\n", "give one of rates, scaled_from, speed"),
        (b"description: x\nsources: [y]\nspeed: {value: 5 GFLOP, status: measured}", "GFLOP"),
        (
            b"description: x\nsources: [y]\n"
            b"scaled_from: {device: z, forward: 1.0, backward: 1.0, memory: 1.0, optimiser: 1.0,"
            b" overhead: 1.0, status: derived, note: n}",
            "cannot be scaled from another",
        ),
    ],
)
def test_a_file_that_is_no_profile_is_refused_in_one_sentence(tmp_path: Path, content, said):
    path = tmp_path / "p.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProfileFileError, match=said) as refused:
        read_profile(path, "mine")
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)
