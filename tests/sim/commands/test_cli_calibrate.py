"""`cutlayer calibrate`, and its profile in a scenario."""

import csv
import math

import pytest
from command_line import CommandLine, assert_refused, files

from cutlayer.scenarios.profile_file import read_profile
from cutlayer.sim.calibrate.calibrate import calibrate
from cutlayer.sim.calibrate.held_out import Case
from cutlayer.topologies.spreads import SPREADS, spread_of


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibrations of two probes and one case."""

    def few(name, **options):
        few_cases = (Case("lenet", "whole", 10),)
        return calibrate(name, probes=("thin", "linear"), cases=few_cases, **options)

    monkeypatch.setattr("cutlayer.sim.commands.calibrate.calibrate", few)
    monkeypatch.setattr("cutlayer.sim.calibrate.campaign.BATCHES", (2,))


@pytest.mark.usefixtures("little")
def test_the_machine_is_measured_and_its_profile_used(cli: CommandLine) -> None:
    answer = cli(
        *("calibrate", "--out", "me.yaml", "--name", "me", "--threads", 1),
        *("--passes", 2, "--minutes", 1000, "--errors", "e.csv"),
    )
    assert answer.code in (0, None), answer.err
    assert "calibrating: 0 of" in answer.out
    assert "Mean error on 1 held-out cases" in answer.out
    assert "saved: me.yaml" in answer.out
    written = (cli.folder / "me.yaml").read_text(encoding="utf-8")
    assert ("Not determined by the probes" in answer.out) == ("status: derived" in written)
    profile = read_profile(cli.folder / "me.yaml", "me")
    spread = spread_of(profile)
    known = profile.covariance
    assert known is not None
    assert set(known.names) >= {"rates.conv.forward", "layer_overhead", "optimizer_bandwidth"}
    assert max(known.deviations.values()) <= SPREADS["guess"] + 0.001
    assert all(spread[name] > 0 for name in known.names if name != "loader_per_sample")
    with (cli.folder / "e.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["case"] == "lenet, batch 10"
    assert float(row["measured_s"]) > 0
    assert profile.form_error == pytest.approx(abs(math.log1p(float(row["error"]))), abs=0.001)
    used = cli.run(
        "devices={me: {profile: me.yaml}}",
        "topology.star.clients.0.device=me",
        "topology.star.server.device=me",
    )
    assert used.code == 0, used.err
    assert "me:" not in used.out  # no figure of it is coarse or guessed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--out", "tiny.yaml"], ["--out tiny.yaml exists", "new file"]),
        (["--out", "no/me.yaml"], ["--out no/me.yaml", "folder no does not exist"]),
        (["--out", "me.yaml", "--errors", "tiny.yaml"], ["--errors tiny.yaml exists"]),
        (["--out", "me.yaml", "--name", " "], ["--name must not be empty"]),
        (["--out", "me.yaml", "--minutes", "inf"], ["--minutes must be finite"]),
    ],
)
def test_bad_options_are_refused_before_anything_is_measured(
    options: list[str], words: list[str], cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutlayer.sim.calibrate.calibrate.measure", None)
    assert_refused(cli("calibrate", *options), *words)
    assert files(cli.folder) == ["tiny.yaml"]


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        ("{me: {profile: none.yaml}}", ["devices.me.profile", "none.yaml", "does not exist"]),
        ("{me: {profile: tiny.yaml}}", ["devices.me.profile", "tiny.yaml"]),
        ("{me: {}}", ["devices.me", "needs one of profile, the file of a profile"]),
        ("{me: {speed: 1 GFLOP/s, profile: tiny.yaml}}", ["devices.me"]),
    ],
)
def test_bad_profiles_of_a_scenario_are_refused(
    devices: str, words: list[str], cli: CommandLine
) -> None:
    assert_refused(cli.run(f"devices={devices}"), *words)
