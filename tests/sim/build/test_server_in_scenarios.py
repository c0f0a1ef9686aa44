"""The server's disciplines in whole runs: equal bytes and digests, different times, consistent waits."""

import pytest
from command_line import CommandLine, assert_refused
from small_scenarios import scenario

from cutlayer import run
from cutlayer.sim.log.intervals import Phase

SERVER = "topology.star.server"
SCENARIO = """
name: queued
data: {dataset: digits, partition: {sizes: 40}}
model: {name: vgg5, cut: 1}
training: {rounds: 2, batch_size: 10, optimizer: {name: sgd, lr: 0.01}}
topology:
  star:
    server: {device: raspberry-pi-4b, slots: 2}
    clients:
      - {device: raspberry-pi-4b, count: 3, link: wifi-50}
      - {device: raspberry-pi-5, count: 3, link: wifi-50}
methods: [splitfed, local_loss]
"""
DISCIPLINES = (
    "fifo",
    "{priority: [raspberry-pi-4b]}",
    "processor_sharing",
    "{batching: {max_jobs: 3, max_wait: 10 ms}}",
)


@pytest.fixture
def played(tmp_path):
    def play(*overrides: str):
        (result,) = run(scenario(tmp_path, SCENARIO, *overrides), executor="none", log="events")
        return result.methods

    return play


@pytest.mark.parametrize("discipline", DISCIPLINES)
def test_a_discipline_only_changes_times(discipline, played):
    plain = played()
    methods = played(f"{SERVER}.discipline={discipline}")
    for label, method in methods.items():
        assert method.wire_bytes == plain[label].wire_bytes
        assert method.learning_digest == plain[label].learning_digest
        assert [r.server_jobs for r in method.rounds] == [6 * 4 + 1] * 2  # and one for averaging
        for r in method.rounds:
            assert sum(r.critical_path_s.values()) == pytest.approx(r.round_time_s)
            assert r.longest_server_wait_s <= r.server_wait_s <= r.round_time_s * 25
        if "batching" not in discipline:  # the other disciplines do the same work
            assert method.server_busy_s == pytest.approx(plain[label].server_busy_s)
        if discipline != "fifo":
            assert method.event_digest != plain[label].event_digest


def test_batching_saves_the_overheads_of_simultaneous_jobs(played):
    alone = played()["local_loss"]
    together = played(f"{SERVER}.discipline={{batching: {{max_jobs: 3, max_wait: 100 ms}}}}")[
        "local_loss"
    ]
    assert together.server_busy_s < alone.server_busy_s


def test_clients_with_priority_wait_less(played):
    def wait(name: str, discipline: str) -> float:
        method = played(f"{SERVER}.discipline={discipline}", f"{SERVER}.slots=1")["splitfed"]
        waited = 0.0
        for kept in method.kept:
            intervals = kept.record.intervals
            queued = intervals.phase == Phase.SERVER_QUEUE
            for member, client in enumerate(kept.participants):
                if client.startswith(name):
                    waited += float(intervals.duration[queued & (intervals.peer == member)].sum())
        return waited

    slow, fast = "raspberry-pi-4b", "raspberry-pi-5"
    assert wait(slow, f"{{priority: [{slow}]}}") < wait(slow, f"{{priority: [{fast}]}}")
    assert wait(fast, f"{{priority: [{fast}]}}") < wait(fast, f"{{priority: [{slow}]}}")


def test_slots_that_share_a_device_do_not_help_if_one_suffices(played):
    whole = played(f"{SERVER}.slots=4")
    share = played(f"{SERVER}.slots=4", f"{SERVER}.slot_speed=share")
    for label, method in share.items():
        assert method.virtual_time_s > whole[label].virtual_time_s
        assert method.server_busy_s == pytest.approx(4 * whole[label].server_busy_s)


def test_waiting_times_are_in_the_summary(played):
    busy = played(f"{SERVER}.slots=1")["local_loss"].summary({})["server_wait_s"]
    free = played(f"{SERVER}.slots=6")["local_loss"].summary({})["server_wait_s"]
    assert busy["max"] > busy["mean"] > free["mean"] == 0
    assert free["max"] == 0


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("discipline=lifo", ['unknown choice "lifo"', "did you mean 'fifo'"]),
        ("discipline={priority: []}", ["discipline.priority", "must not be empty"]),
        (
            "discipline={priority: [raspberry-pi-5]}",
            ["priority to 'raspberry-pi-5'", "a device that no client has"],
        ),
        (
            "discipline={batching: {max_jobs: 1, max_wait: 1 ms}}",
            ["batching.max_jobs", "at least 2"],
        ),
        ("discipline={batching: {max_jobs: 3}}", ["batching.max_wait", "is required"]),
        ("slot_speed=half", ["slot_speed"]),
    ],
)
def test_bad_servers_are_refused(override, words, cli: CommandLine):
    assert_refused(cli.run(f"{SERVER}.{override}"), *words)
