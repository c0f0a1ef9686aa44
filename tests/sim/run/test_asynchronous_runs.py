"""Asynchronous methods through the whole stack: files, links, interruptions, studies, bad options."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from small_studies import small_study
from tiny_runs import Inside, only, tiny

from cutlayer import run
from cutlayer.scenarios.problems import ScenarioError
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.log.intervals import Activity, Phase
from cutlayer.sim.results.method import RunResult
from cutlayer.sim.results.read import read_run
from cutlayer.sim.run.progress import Progress
from cutlayer.sim.studies.sweep import sweep

UNEQUAL = (
    "topology.star.clients=[{device: raspberry-pi-4b, link: LINK}, {device: raspberry-pi-3b-plus,"
    " count: 2, link: LINK}]"
)
LINK = "{up: 1 Mbit/s, down: 8 Mbit/s, delay: 20 ms}"
BOTH = "methods=[fedasync, {fedbuff: {buffer: 2}}]"


def unequal(link: str = LINK) -> str:
    return UNEQUAL.replace("LINK", link)


def test_the_folder_of_a_run_has_the_updates(tmp_path: Path) -> None:
    (result,) = run(tiny(BOTH, unequal()), executor="none", out=tmp_path / "both")
    saved = read_run(tmp_path / "both")
    for label, method in result.methods.items():
        rows = [row for row in saved.table("updates") if row["label"] == label]
        assert len(rows) == len(method.updates) > 5
        for row, update in zip(rows, method.updates, strict=True):
            assert {name: row[name] for name in update._fields} == update._asdict()
        found = saved.methods[label]["updates"]
        assert found == method.summary({})["updates"]
        assert found["count"] == sum(kind["updates"] for kind in found["per_device"].values())
        versions = [row["version"] for row in saved.rounds(label)]
        assert versions == sorted(versions)
        assert versions[-1] == found["versions"]
        assert {row["round_type"] for row in saved.rounds(label)} == {"window"}


def test_a_run_without_asynchronous_methods_has_no_updates(tmp_path: Path) -> None:
    run(tiny(), executor="none", out=tmp_path / "none")
    assert not (tmp_path / "none" / "updates.csv").exists()
    assert not read_run(tmp_path / "none").has("updates")


def kept_rows(overrides: list[str], method: str = "fedasync") -> dict[str, np.ndarray]:
    """Return the rows of all windows, with virtual times of the run."""
    loaded = tiny(f"methods=[{method}]", *overrides)
    (result,) = run(loaded, executor="none", log="events")
    ((_, found),) = result.methods.items()
    columns: dict[str, list[np.ndarray]] = {}
    for kept in found.kept:
        log = kept.record.intervals
        names = np.array([*kept.participants, "server"])
        columns.setdefault("start", []).append(log.start + kept.start_s)
        columns.setdefault("end", []).append(log.end + kept.start_s)
        columns.setdefault("client", []).append(names[np.maximum(log.actor, log.peer)])
        for name in ("phase", "activity", "wire_bytes"):
            columns.setdefault(name, []).append(getattr(log, name))
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def test_a_connection_lives_as_long_as_its_client() -> None:
    """TCP opens one for each client in the first window, and none later."""
    rows = kept_rows([unequal(), "transport=tcp", "training.rounds=6"])
    opened = rows["activity"] == Activity.CONNECT
    assert sorted(rows["client"][opened]) == sorted(set(rows["client"]))
    assert (rows["start"][opened] == 0).all()


def test_a_client_that_was_offline_between_updates_connects_again() -> None:
    """Its update is done by then, or dropped; the other clients never connect again."""
    offline = "[{from: 3 s, until: 4 s}]"
    for how in ("drop", "resume"):
        availability = (
            f"availability=[{{clients: raspberry-pi-4b, on_disconnect: {how}, offline: {offline}}}]"
        )
        rows = kept_rows(
            [unequal(), "transport=tcp", availability, "training.rounds=12"],
            "{fedasync: {in_flight: 2}}",
        )
        opened = rows["activity"] == Activity.CONNECT
        counts = Counter(rows["client"][opened].tolist())
        mine = next(name for name in counts if name.startswith("raspberry-pi-4b"))
        assert counts.pop(mine) == 2
        assert set(counts.values()) == {1}


def third_upload(*overrides: str) -> tuple[float, float, float]:
    """Return the start, end and bytes of the Pi 4's third upload."""
    rows = kept_rows([*overrides, "training.rounds=6"])
    mine = np.char.startswith(rows["client"], "raspberry-pi-4b") & (rows["phase"] == Phase.UPLINK)
    third = np.flatnonzero(mine)[2]
    return tuple(float(rows[name][third]) for name in ("start", "end", "wire_bytes"))  # type: ignore[return-value]


def test_a_link_may_change_its_rate_while_an_upload_is_under_way_in_any_window() -> None:
    """Its bytes are the rate before the change times the time before it, and so on."""
    start, end, size = third_upload(unequal())
    change = (start + end) / 2
    changes = f"changes=[{{at: {change!r} s, clients: raspberry-pi-4b, up: 0.25 Mbit/s}}]"
    same, later, _ = third_upload(unequal(), changes)
    assert same == start
    sent = 125_000 * (change - start) + 31_250 * (later - change)
    assert sent == pytest.approx(size, rel=1e-9)


class Interrupting(Progress):
    """Interrupts a run when a number of windows has closed."""

    def __init__(self, windows: int) -> None:
        self.left = windows

    def round_closed(self, method, closed) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


def test_ctrl_c_ends_a_run_with_the_windows_that_have_closed() -> None:
    loaded = tiny("methods=[fedasync]", unequal(), "training.rounds=8")
    (stopped,) = run(loaded, executor="inline", progress=Interrupting(3))
    assert isinstance(stopped, RunResult)
    assert stopped.status == "stopped"
    found = stopped.methods["fedasync"]
    whole = only("methods=[fedasync]", unequal(), "training.rounds=3")
    assert len(found.rounds) == 3
    assert found.rounds == whole.rounds
    assert found.updates == whole.updates
    assert found.learning_digest == whole.learning_digest
    assert found.weights_digest == whole.weights_digest


def test_ctrl_c_within_a_window_leaves_the_weights_of_the_last_one() -> None:
    inside = Inside("methods=[fedasync]", unequal(), "training.rounds=8")
    learning, folds = inside.method.world.learning, 0
    fold = learning.fold

    def interrupted(*args, **kwargs):
        nonlocal folds
        folds += 1
        fold(*args, **kwargs)
        if folds == 8:  # the second of three in the third window
            raise KeyboardInterrupt

    learning.fold = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        inside.train()
    whole = only("methods=[fedasync]", unequal(), "training.rounds=2")
    assert len(inside.result.rounds) == 2
    assert inside.result.learning_digest == whole.learning_digest
    assert inside.result.weights_digest == whole.weights_digest


def test_a_run_stops_at_its_target_accuracy() -> None:
    found = only("methods=[fedasync]", "stop.target_accuracy=0.01", "training.rounds=9")
    assert len(found.rounds) == 1


def test_equal_rounds_are_equal_work() -> None:
    """A window is as many updates as a round has clients, by default."""
    for clients in (2, 3):
        overrides = [f"training.clients_per_round={clients}", "training.rounds=4"]
        (result,) = run(tiny("methods=[classic_fl, fedasync]", *overrides), executor="none")
        rounds, windows = (result.methods[name].rounds for name in ("classic_fl", "fedasync"))
        assert [r.clients for r in rounds] == [r.clients for r in windows] == [clients] * 4


def test_windows_close_in_order_of_time() -> None:
    found = only(BOTH.replace("fedasync, ", ""), unequal(), "training.rounds=5", executor="none")
    ends = [0.0, *(r.virtual_time_s for r in found.rounds)]
    for rnd, (start, end) in zip(found.rounds, pairwise(ends), strict=True):
        assert rnd.round_time_s == pytest.approx(end - start)
        assert sum(rnd.critical_path_s.values()) == pytest.approx(rnd.round_time_s)


def test_a_study_over_uplinks_trains_once_for_each_order_of_the_updates(tmp_path: Path) -> None:
    values = ["0.2 Mbit/s", "0.21 Mbit/s", "40 Mbit/s"]
    link = {"up": "1 Mbit/s", "down": "20 Mbit/s", "delay": "10 ms"}
    clients = [
        {"device": "raspberry-pi-4b", "count": 1, "link": link},
        {"device": "raspberry-pi-3b-plus", "count": 2, "link": link},
    ]
    study = small_study(
        tmp_path,
        set={
            "methods": yaml.safe_load("[{fedasync: {in_flight: 3}}]"),
            "topology.star.clients": clients,
            "training.rounds": 3,
        },
        axes=[{"name": "up", "field": "topology.star.clients.0.link.up", "values": values}],
    )
    swept = sweep(study)
    results = [swept.at(point, "fedasync") for point in range(3)]
    digests = [found.learning_digest for found in results if found is not None]
    orders = []
    for point in study.points:
        (itself,) = run(study.scenario(point), executor="none")
        orders.append(tuple((u.client, u.read_version) for u in itself.methods["fedasync"].updates))
    assert len(set(orders)) == len(set(digests)) == 2
    assert swept.trainings.needed == swept.new["trainings"] == 2
    for found, point in zip(results, study.points, strict=True):
        (itself,) = run(study.scenario(point))
        assert found is not None
        assert found.weights_digest == itself.methods["fedasync"].weights_digest
        assert found.curve == itself.methods["fedasync"].curve


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ("in_flight: 4", "in_flight must be at most 3, the number of clients"),
        ("in_flight: 0", "must be at least 1"),
        ("window: {updates: 2, every: 3 s}", "needs exactly one of updates, versions and every"),
        ("window: {}", "needs exactly one of updates, versions and every"),
        ("window: {every: 3}", "the duration 3 has no unit"),
        ("staleness: poly", "has the unknown choice \"poly\"; did you mean 'polynomial'?"),
        ("staleness: {hinge: {a: 0}}", "must be greater than 0"),
        ("rate: 1.5", "must be at most 1"),
        ("rate: 0", "must be greater than 0"),
        ("staleness: {polynomial: {a: 1000}}", "must be at most 10"),
        ("staleness: {hinge: {a: 1e300}}", "must be at most 1e+06"),
        ("buffer: 3", "is an unknown key"),
    ],
)
def test_bad_options_are_reported(options: str, rule: str) -> None:
    with pytest.raises(ScenarioError) as error:
        plan_checked(tiny(f"methods=[{{fedasync: {{{options}}}}}]"), trains=False)
    assert rule in str(error.value)


@pytest.mark.parametrize(
    ("method", "rule"),
    [
        ("{safsl: {gamma: 1000}}", "safsl.gamma: must be at most 10 (got 1000)"),
        (
            "{gas: {generate: false, samples_per_label: 3}}",
            "gas.samples_per_label: has no effect with generate: false; leave it out (got 3)",
        ),
    ],
)
def test_options_without_a_meaning_are_refused(method: str, rule: str) -> None:
    with pytest.raises(ScenarioError) as error:
        plan_checked(tiny(f"methods=[{method}]"), trains=False)
    assert rule in str(error.value)


def test_no_round_can_be_closed_early() -> None:
    with pytest.raises(ScenarioError, match="fedbuff has no rounds: no client waits for others"):
        plan_checked(tiny("methods=[fedbuff]", "training.closing={first: 2}"), trains=False)


def test_progress_moves_with_every_fold() -> None:
    inside, moves = Inside("methods=[fedasync]", "training.rounds=2"), list[tuple[int, int]]()
    inside.train(client_trained=lambda done, total: moves.append((done, total)))
    assert moves == [(1, 3), (2, 3), (3, 3)] * 2
