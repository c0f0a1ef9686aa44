"""The same scenario gives the same log and the same learning in any environment."""

import os
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import pytest
from small_scenarios import MIXED, scenario

from cutlayer import run
from cutlayer.sim.results.round import TRAINED

ROOT = Path(__file__).parents[3]

DIGESTS = """\
import sys
from cutlayer import load_scenario, run
(result,) = run(load_scenario(sys.argv[1]), executor="none")
print(hash("client"))
for label, method in result.methods.items():
    print(label, method.event_digest, method.learning_digest)
"""

# MIXED with three clients and two rounds.
TINY = (
    "data={dataset: digits, train_samples: 60, test_samples: 40, test_fraction: 0.2,"
    " partition: {sizes: [20, 14, 10]}}",
    "training.rounds=2",
    "training.clients_per_round=2",
    "topology.star.clients.0.count=2",
    "topology.star.clients.1.count=1",
)


def digests(loaded, **how) -> dict[str, tuple[str, str | None]]:
    (result,) = run(loaded, executor="none", **how)
    return {
        label: (method.event_digest, method.learning_digest)
        for label, method in result.methods.items()
    }


def test_the_hash_seed_of_python_does_not_matter(tmp_path):
    """Another interpreter with another hash seed computes the same digests."""
    loaded = scenario(tmp_path, MIXED)
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    printed = subprocess.run(
        [sys.executable, "-c", DIGESTS, str(tmp_path / "scenario.yaml")],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    here = digests(loaded)
    assert printed[0] != str(hash("client"))
    assert printed[1:] == [f"{label} {event} {x}" for label, (event, x) in here.items()]
    assert len({event for event, _ in here.values()}) == len(here)
    assert None not in {learning for _, learning in here.values()}


def test_a_busy_host_does_not_matter(tmp_path):
    loaded = scenario(tmp_path, MIXED)
    quiet = digests(loaded)
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=keep_busy)
    thread.start()
    try:
        assert digests(loaded) == quiet
    finally:
        stop.set()
        thread.join()


def test_the_log_option_does_not_matter(tmp_path):
    loaded = scenario(tmp_path, MIXED)
    (few,) = run(loaded, executor="none", log="rounds")
    (all_of_them,) = run(loaded, executor="none", log="events", reuse=False)
    for label, method in few.methods.items():
        other = all_of_them.methods[label]
        assert method.event_digest == other.event_digest
        assert method.learning_digest == other.learning_digest
        assert [asdict(r) for r in method.rounds] == [asdict(r) for r in other.rounds]
        assert [kept.index for kept in other.kept] == list(range(6))
        assert len(method.kept) < 6
        by_index = {kept.index: kept for kept in other.kept}
        for kept in method.kept:
            assert kept.record.digest == by_index[kept.index].record.digest


def test_a_seed_matters_to_both_digests_and_a_link_to_one(tmp_path):
    before = digests(scenario(tmp_path, MIXED))
    seed = digests(scenario(tmp_path, MIXED, "seed=1"))
    text = MIXED.replace("up: 10 Mbit/s", "up: 9 Mbit/s").replace("link: 4g", "link: wifi-50")
    assert text != MIXED
    link = digests(scenario(tmp_path, text))
    for label in before:
        assert seed[label][1] != before[label][1]
        assert link[label][1] == before[label][1]
        assert link[label][0] != before[label][0]
        if label != "centralised":  # in which everybody takes part
            assert seed[label][0] != before[label][0]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The tiny scenario with real training and without."""
    loaded = scenario(tmp_path_factory.mktemp("tiny"), MIXED, *TINY)
    (inline,) = run(loaded, executor="inline")
    (none,) = run(loaded, executor="none")
    return inline, none


def test_training_for_real_changes_neither_the_log_nor_the_digest(executed):
    inline, none = executed
    assert len(none.methods) == 9
    for label, method in none.methods.items():
        assert method.event_digest == inline.methods[label].event_digest, label
        assert method.learning_digest == inline.methods[label].learning_digest, label
        assert method.learning_digest is not None


def test_figures_that_were_not_trained_are_none(executed):
    inline, none = executed
    for label, method in none.methods.items():
        assert method.weights_digest is None
        assert method.curve == []
        assert inline.methods[label].weights_digest is not None
        assert len(inline.methods[label].curve) == 2
        for row, trained in zip(method.rounds, inline.methods[label].rounds, strict=True):
            assert asdict(row) == asdict(trained) | dict.fromkeys(TRAINED)
