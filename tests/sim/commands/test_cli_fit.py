"""`cutlayer fit`, and its profile in a scenario."""

import csv
import math
from pathlib import Path

import pytest
from command_line import CommandLine, assert_refused, files

from cutlayer.scenarios.profile_file import read_profile
from cutlayer.topologies import catalogue
from cutlayer.topologies.figures import figures_of
from cutlayer.topologies.spreads import form_error_of, spread_of

HEADER = "model,batch_size,seconds"
PI = ("--device", "raspberry-pi-4b")
DENSE = "vgg11,32,9.0"
LIGHT = "mobilenetv2,16,4.0"


def rows(*lines: str, header: str = HEADER) -> None:
    Path("timed.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")


def fit(cli: CommandLine, *options: object):
    return cli("fit", "timed.csv", *PI, "--out", "my.yaml", *options)


def test_a_profile_is_fitted_written_and_used(cli: CommandLine) -> None:
    rows(DENSE, LIGHT, "lenet,32,0.3")
    answer = fit(cli, "--name", "my-pi", "--errors", "e.csv")
    assert answer.code in (0, None), answer.err
    assert "rates.conv.forward" in answer.out
    assert "mobilenetv2, batch 16" in answer.out
    assert "for networks left out of the fit." in answer.out
    assert "Warning" not in answer.out
    assert "devices: {my-pi: {profile: my.yaml}}" in answer.out
    profile = read_profile(cli.folder / "my.yaml", "my-pi")
    assert profile.stack == "own"
    assert profile.covariance is not None
    assert spread_of(profile)["memory_bandwidth"] == pytest.approx(
        profile.covariance.deviations["memory_bandwidth"]
    )
    with (cli.folder / "e.csv").open(newline="", encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert [row["line"] for row in written] == ["2", "3", "4"]
    assert [row["kind"] for row in written[:2]] == ["dense", "light"]
    for row in written:
        for name in ("before", "after", "left_out"):
            seconds, measured = float(row[f"{name}_s"]), float(row["measured_s"])
            assert float(row[f"{name}_error"]) == pytest.approx(seconds / measured - 1, abs=1e-4)
        assert abs(float(row["after_error"])) < abs(float(row["before_error"]))
    squares = [math.log1p(float(row["left_out_error"])) ** 2 for row in written]
    assert profile.form_error == pytest.approx((sum(squares) / 3) ** 0.5, abs=0.001)
    used = cli.run("devices={my-pi: {profile: my.yaml}}", "topology.star.clients.0.device=my-pi")
    assert used.code == 0, used.err
    # Its loader and loop are in the figures; another program on top would count them twice.
    twice = cli.run(
        "devices={my-pi: {profile: my.yaml, stack: libtorch}}",
        "topology.star.clients.0.device=my-pi",
    )
    assert_refused(twice, "has the stack 'own' already (got 'libtorch')")


def test_rows_of_one_kind_are_warned_about(cli: CommandLine) -> None:
    rows(DENSE)
    out = fit(cli).out
    assert "Warning: no row is light: times of depthwise and pointwise convolutions, mem" in out
    assert "are hardly known. Time mobilenetv2 too, or a network like it: one dense" in out
    assert "one dense and one light network are worth more than five of one kind." in out
    assert "15% is assumed" in out
    rows(LIGHT, "mobilenetv2,32,8.0")
    out = fit(cli, "--force").out
    assert "Warning: no row is dense: times of 3x3 convolutions and linear layers are" in out
    rows("resnet50,32,60.0")
    out = fit(cli, "--force").out
    assert "Warning: no row is dense or light: times of 3x3 convolutions" in out
    assert "Time resnet18 and mobilenetv2 too" in out


def test_a_fit_begins_with_a_stack_or_with_a_profile_in_a_file(cli: CommandLine) -> None:
    rows(DENSE, LIGHT)
    assert fit(cli, "--stack", "pytorch-python-loader").code in (0, None)
    first = read_profile(cli.folder / "my.yaml", "x")
    # The same rows again agree with it, and move it little.
    again = cli("fit", "timed.csv", "--device", "my.yaml", "--out", "again.yaml")
    assert again.code in (0, None), again.err
    second = read_profile(cli.folder / "again.yaml", "x")
    assert figures_of(second) == pytest.approx(figures_of(first), rel=0.1)
    assert form_error_of(second) == form_error_of(catalogue.device("raspberry-pi-4b"))
    assert_refused(
        cli(
            *("fit", "timed.csv", "--device", "my.yaml", "--out", "z.yaml"),
            *("--stack", "libtorch"),
        ),
        "fit: my.yaml has the program 'own' in its figures already and cannot have --stack libtorch",
    )


def test_many_rows_are_not_all_printed(cli: CommandLine) -> None:
    rows(*[f"lenet,{size},{0.005 * size}" for size in range(1, 61)])
    answer = fit(cli, "--errors", "e.csv")
    assert "The table has 40 of 60 rows: --errors writes all to a file." in answer.out
    assert "lenet, batch 40 " in answer.out
    assert "lenet, batch 41 " not in answer.out
    assert (cli.folder / "e.csv").read_text(encoding="utf-8").count("\n") == 61


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--name", " "], ["fit: --name must not be empty"]),
        (["--out", "tiny.yaml"], ["--out tiny.yaml exists"]),
        (["--out", "no/my.yaml"], ["--out no/my.yaml", "folder no does not exist"]),
        (["--errors", "tiny.yaml"], ["--errors tiny.yaml exists"]),
        (
            ["--device", "raspberry-pi-4"],
            ["there is no device 'raspberry-pi-4'", "raspberry-pi-4b"],
        ),
        (["--device", "nexus-6"], ["fit: nexus-6 has one speed for everything", "with rates"]),
        (["--device", "none.yaml"], ["device profile none.yaml does not exist"]),
        (["--device", "tiny.yaml"], ["device profile tiny.yaml"]),
        (["--stack", "libtorh"], ["there is no stack 'libtorh'", "did you mean 'libtorch'"]),
    ],
)
def test_bad_options_are_refused(options: list[str], words: list[str], cli: CommandLine) -> None:
    rows(DENSE)
    before = files(cli.folder)
    assert_refused(fit(cli, *options), *words)
    assert files(cli.folder) == before


@pytest.mark.parametrize(
    ("header", "lines", "words"),
    [
        (HEADER, [], ["timed.csv has no rows"]),
        ("model,seconds", ["lenet,1"], ["timed.csv:1: the column 'batch_size' is missing"]),
        (
            HEADER,
            [DENSE, "lenett,1,1"],
            ["timed.csv:3: model: unknown model 'lenett'", "list models"],
        ),
        (HEADER, ["mine:Net,1,1"], ["timed.csv:2: model: ", "list models", "show MODEL"]),
        (HEADER, ["lenet,1,0"], ["timed.csv:2: seconds: must be a positive number"]),
        (
            HEADER,
            [DENSE, "lenet,32,300"],
            [
                "timed.csv:3: seconds: must be within a factor of 1000 of what raspberry-pi-4b takes,",
                "s (got 300)",
            ],
        ),
        (
            HEADER,
            ["lenet,32,1e-6"],
            ["timed.csv:2: seconds: must be within a factor of 1000", "(got 1e-06)"],
        ),
        (
            f"{HEADER},device",
            [f"{DENSE},a", f"{LIGHT},b"],
            ["timed.csv:3: device: must be the same in all rows of a fit (got 'b' after 'a')"],
        ),
        (
            f"{HEADER},stack",
            [f"{DENSE},a", f"{LIGHT},"],
            ["timed.csv:3: stack: must be the same in all rows of a fit (got '' after 'a')"],
        ),
    ],
)
def test_bad_rows_are_refused(
    header: str, lines: list[str], words: list[str], cli: CommandLine
) -> None:
    rows(*lines, header=header)
    assert_refused(fit(cli, "--errors", "e.csv"), *words)
    assert files(cli.folder) == ["timed.csv", "tiny.yaml"]


def test_rows_that_contradict_each_other_still_give_a_profile(cli: CommandLine) -> None:
    lines = ["lenet,1,1e-3,9e8", "vgg5,1,1,9e8", "mobilenetv2,3,1,9e8", "lenet,1,0.1,9e8"]
    rows(*lines, header=f"{HEADER},weight")
    assert fit(cli).code in (0, None)
    profile = read_profile(cli.folder / "my.yaml", "x")
    assert 1 < form_error_of(profile) <= 2


def test_a_missing_file_is_refused(cli: CommandLine) -> None:
    assert_refused(fit(cli), "timed.csv does not exist")
