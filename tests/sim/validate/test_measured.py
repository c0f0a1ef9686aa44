"""Files of measured times: what a row means, and one message for each mistake."""

from pathlib import Path

import pytest
from small_scenarios import read
from testbed import SCENARIO, compared, ran, write

from cutlayer.sim.files.user_csv import UserCsvError
from cutlayer.sim.validate.measured import OPTIONAL, REQUIRED, SYNONYMS, WHATS, read_measured
from cutlayer.sim.validate.output import COLUMNS
from cutlayer.sim.validate.validate import validate

HEADER = "method,seconds,round,round_type,what,client,count,spread,mib,bytes,kind"
GOOD = dict.fromkeys(HEADER.split(","), "") | {"method": "ecofed", "seconds": "2.5"}
WHOLE = "must be a whole number from {} to 10^9 (got {!r})"
POSITIVE = "must be a positive number below 10^9 (got {!r})"


def test_only_method_and_seconds_are_needed(tmp_path: Path) -> None:
    (row,) = read_measured(write(tmp_path, "seconds,method", [(2.5, "ecofed")]), ["ecofed"])
    assert (row.method, row.seconds, row.what, row.count, row.kind) == (
        *("ecofed", 2.5, "round", 1, "predicted"),
    )
    assert (row.round, row.round_type, row.client, row.spread_s, row.traffic_bytes) == (None,) * 5
    assert (row.line, row.part) == (2, "round")


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("", "round"),
        ("Upload", "uplink"),
        ("server wait", "server_queue"),
        ("server-service", "server_compute"),
        ("device_compute", "device_compute"),
        ("aggregation", "aggregation"),
    ],
)
def test_parts_have_the_names_of_results_or_usual_ones(
    tmp_path: Path, written: str, what: str
) -> None:
    path = write(tmp_path, "method,seconds,what", [("ecofed", 1, written)])
    assert read_measured(path, ["ecofed"])[0].what == what


def refused(folder: Path, header: str, *rows: str) -> str:
    path = write(folder, header, [(row,) for row in rows])
    with pytest.raises(UserCsvError) as error:
        validate(path, ran()[0])
    said = str(error.value)
    assert "\n" not in said
    assert said.startswith(str(path))
    return said.removeprefix(str(path))


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"method": "ecofd"}, "method: unknown method 'ecofd'; did you mean 'ecofed'?"),
        ({"method": ""}, "method: unknown method ''; known are classic_fl, splitfed, "),
        ({"seconds": "0"}, f"seconds: {POSITIVE.format('0')}"),
        ({"seconds": ""}, f"seconds: {POSITIVE.format('')}"),
        ({"seconds": "3 s"}, f"seconds: {POSITIVE.format('3 s')}"),
        ({"round": "-1"}, f"round: {WHOLE.format(0, '-1')}"),
        (
            {"round": "6"},
            "round: the last round of the scenario is 5 (got 6); --set training.rounds=7 adds it",
        ),
        (
            {"round_type": "uplod"},
            "round_type: unknown type 'uplod' of a round of ecofed; did you mean 'upload'?",
        ),
        (
            {"round": "1", "round_type": "upload"},
            "round_type: round 1 of ecofed is of type 'replay' (got 'upload')",
        ),
        ({"what": "uploads"}, "what: unknown part of a round 'uploads'; did you mean 'upload'?"),
        (
            {"client": "raspberry-pi-4b-9"},
            "client: unknown client 'raspberry-pi-4b-9'; did you mean 'raspberry-pi-4b-",
        ),
        (
            {"client": "raspberry-pi-4b-0", "what": "aggregation"},
            "client: aggregation is part of the round, not of a client",
        ),
        (
            {"what": "iteration"},
            "client: the clients differ in their iterations per round: name one",
        ),
        (
            {"what": "backward"},
            "what: the devices of ecofed have load, forward (got 'backward')",
        ),
        ({"count": "0"}, f"count: {WHOLE.format(1, '0')}"),
        ({"spread": "-1"}, f"spread: {POSITIVE.format('-1')}"),
        ({"mib": "0"}, f"mib: {POSITIVE.format('0')}"),
        ({"bytes": "1.5"}, "bytes: must be a whole number from 1 to 10^16 (got '1.5')"),
        ({"mib": "1", "bytes": "1"}, "bytes: the traffic is given by mib already"),
        (
            {"mib": "1", "what": "upload"},
            "mib: traffic is that of a whole round of all clients",
        ),
        (
            {"bytes": "1", "client": "raspberry-pi-4b-0"},
            "bytes: traffic is that of a whole round of all clients",
        ),
        ({"kind": "fited"}, "kind: unknown kind 'fited'; did you mean 'fitted'?"),
    ],
)
def test_a_wrong_cell_is_named_with_its_line(
    tmp_path: Path, cells: dict[str, str], said: str
) -> None:
    rows = [",".join(GOOD.values()), ",".join((GOOD | cells).values())]
    assert refused(tmp_path, HEADER, *rows).startswith(f":3: {said}")


def test_a_client_that_takes_no_part_in_a_round_is_named(tmp_path: Path) -> None:
    messages = []
    for client in (f"raspberry-pi-{kind}-{n}" for kind in ("4b", "3b-plus") for n in range(3)):
        try:
            compared(tmp_path, "method,seconds,round,client", [("ecofed", 1, 0, client)])
        except UserCsvError as error:
            messages.append(str(error).replace(client, "it"))
    # Three of six clients take part in each round.
    path = tmp_path / "measured.csv"
    assert messages == [f"{path}:2: client: it takes no part in the rounds of this row"] * 3


def test_a_run_that_ends_early_is_named(tmp_path: Path) -> None:
    loaded = read(SCENARIO, "stop={virtual_time: 1 ms}")
    path = write(tmp_path, "method,seconds,round", [("splitfed", 1, 3)])
    with pytest.raises(
        UserCsvError, match=r":2: round: splitfed ends after 1 round: a limit of stop"
    ):
        validate(path, loaded)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("method,second", ":1: unknown column 'second'; did you mean 'seconds'?"),
        ("method,round", ":1: the column 'seconds' is missing"),
        ("seconds,what", ":1: the column 'method' is missing"),
        ("method,seconds,seconds", ":1: the column 'seconds' is written twice"),
        ("method,seconds", ":2: has more cells than the header"),
    ],
)
def test_a_wrong_table_is_named(tmp_path: Path, header: str, said: str) -> None:
    assert refused(tmp_path, header, "ecofed,1,1").startswith(said)


def test_a_file_without_rows_or_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "method,seconds") == " has no rows"
    with pytest.raises(UserCsvError, match=r"missing\.csv does not exist"):
        validate(tmp_path / "missing.csv", ran()[0])


def test_columns_and_parts_are_in_the_documentation() -> None:
    docs = Path(__file__).parents[3] / "docs"
    page = (docs / "how-to" / "validate-a-testbed.md").read_text(encoding="utf-8")
    for name in (*REQUIRED, *OPTIONAL, *WHATS, *SYNONYMS):
        assert f"`{name}`" in page, name
    results = (docs / "reference" / "results.md").read_text(encoding="utf-8")
    for name in COLUMNS:
        assert f"`{name}`" in results, name
