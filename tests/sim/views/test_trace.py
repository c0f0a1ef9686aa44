import json
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hand_made import method, run_of

from cutlayer.sim.log.intervals import PHASES, Phase
from cutlayer.sim.network.observers import LoadSeries
from cutlayer.sim.views.trace import write_trace


@pytest.fixture
def trace(tmp_path):
    run = run_of(
        method("splitfed", clients=12, slots=2),
        method("ecofed", clients=3, rounds=4, round_types=("upload", "replay"), scale=0.1),
        method("untrained", accuracy=None),
    )
    path = tmp_path / "trace.json"
    write_trace(run, path)

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return run, json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)["traceEvents"]


def tracks_of(events):
    """Return {(process, track): [event]} by name, in the order of the file."""
    processes, threads = {}, {}
    for event in events:
        if event["name"] == "process_name":
            processes[event["pid"]] = event["args"]["name"]
        if event["name"] == "thread_name":
            threads[event["pid"], event["tid"]] = event["args"]["name"]
    assert len(set(processes.values())) == len(processes)
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            track = processes[event["pid"]], threads[event["pid"], event["tid"]]
            tracks[track].append(event)
    return tracks


def test_no_track_overlaps_itself_and_all_are_sorted(trace):
    _, events = trace
    assert {event["ph"] for event in events} == {"X", "M", "C", "s", "t", "f"}
    for track, spans in tracks_of(events).items():
        for before, after in pairwise(spans):
            end_ns = round(before["ts"] * 1000) + round(before["dur"] * 1000)
            assert end_ns <= round(after["ts"] * 1000), track


def test_times_and_bytes_add_up_to_the_records(trace):
    run, events = trace
    tracks = tracks_of(events)
    for label, result in run.methods.items():
        for kept in result.kept:
            record = kept.record

            def total(part, field="dur", label=label, index=kept.index):
                return sum(
                    event["args"][field] if field != "dur" else event["dur"]
                    for (process, track), spans in tracks.items()
                    if process == label and track.startswith(part)
                    for event in spans
                    if event["args"]["round"] == index
                )

            for member, client in enumerate(kept.participants):
                busy = record.device_busy_s[member] * 1e6
                assert total(f"{client}: device") == pytest.approx(busy, rel=1e-6)
                assert total(f"{client}: uplink", "wire_bytes") == record.wire_up[member]
                assert total(f"{client}: downlink", "wire_bytes") == record.wire_down[member]
            assert total("server slot") == pytest.approx(record.server_busy_s * 1e6, rel=1e-6)
            waited = record.intervals.duration[record.intervals.phase == Phase.SERVER_QUEUE].sum()
            assert total("server queue") == pytest.approx(waited * 1e6, rel=1e-6)
            assert total("rounds") == pytest.approx(record.duration_s * 1e6, rel=1e-6)


def test_the_critical_path_has_the_phases_of_the_record_less_the_delays(trace):
    run, events = trace
    tracks = tracks_of(events)
    kept = run.methods["splitfed"].kept[0]
    path = tracks["splitfed", "critical path"]
    for phase in PHASES:
        spent = sum(event["dur"] for event in path if event["name"] == phase) / 1e6
        delays = sum(event["name"] == phase for event in path) * 0.125
        if not phase.endswith("link"):
            delays = 0.0
        assert spent + delays == pytest.approx(kept.record.critical_path_s[phase], abs=1e-6)


def test_tracks_come_in_the_order_of_the_world(trace):
    _, events = trace
    names = [e["args"]["name"] for e in events if e["name"] == "thread_name" and e["pid"] == 1]
    assert names[:4] == ["rounds", "critical path", "server slot 1", "server slot 2"]
    clients = [name for name in names if name.endswith(": device")]
    assert clients == [f"pi-{number}: device" for number in range(1, 13)]
    assert names[-3:] == ["pi-12: device", "pi-12: uplink", "pi-12: downlink"]


def test_every_round_has_its_span_though_few_are_kept(trace):
    run, events = trace
    spans = tracks_of(events)["ecofed", "rounds"]
    result = run.methods["ecofed"]
    assert [span["name"] for span in spans] == [
        f"round {r.index} ({r.round_type})" for r in result.rounds
    ]
    assert spans[-1]["ts"] + spans[-1]["dur"] == pytest.approx(result.virtual_time_s * 1e6)
    assert spans[-1]["args"]["accuracy"] == result.rounds[-1].accuracy


def counters_of(events):
    """Return {(process, name): [(seconds, value)]}, and the units."""
    found, units = defaultdict(list), set()
    for event in events:
        if event["ph"] == "C":
            ((unit, value),) = event["args"].items()
            found[event["pid"], event["name"]].append((event["ts"] / 1e6, value))
            units.add(unit)
    return found, units


def test_counters_of_shared_links_carry_the_bytes_and_end_at_nothing(trace):
    run, events = trace
    counters, units = counters_of(events)
    assert units == {"bytes_per_s"}
    assert set(counters) == {(pid, "load of cell") for pid in (1, 2, 3)}
    for pid, result in enumerate(run.methods.values(), start=1):
        points = counters[pid, "load of cell"]
        assert points[-1][1] == 0
        assert all(before[0] < after[0] for before, after in pairwise(points))
        assert all(before[1] != after[1] for before, after in pairwise(points))
        carried = sum(load * (after - at) for (at, load), (after, _) in pairwise(points))
        sent = sum(int(kept.record.intervals.wire_bytes.sum()) for kept in result.kept)
        assert carried == pytest.approx(sent, rel=1e-6)
        times = [time for time, load in points if load]
        first, last = result.kept[0], result.kept[-1]
        assert times[0] >= first.start_s
        assert points[-1][0] <= last.start_s + last.record.duration_s


def test_a_load_that_is_not_over_ends_with_its_round(tmp_path):
    result = method("splitfed", rounds=1, clients=1, batches=1)
    kept = result.kept[0]
    loads = {
        "cell": LoadSeries(np.array([0.5]), np.array([0.25]), np.array([1.0])),
        "idle": LoadSeries(np.array([0.5]), np.array([0.0]), np.array([1.0])),
    }
    result.kept[0] = replace(kept, record=replace(kept.record, loads=loads))
    write_trace(run_of(result), tmp_path / "trace.json")
    events = json.loads((tmp_path / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    counters, units = counters_of(events)
    assert units == {"airtime"}
    assert counters == {
        (1, "load of cell"): [(0.5, 0.25), (pytest.approx(kept.record.duration_s), 0.0)]
    }


def test_nan_accuracy_and_odd_labels_stay_valid_json(tmp_path):
    result = method('a "quoted"\nlabel')
    result.rounds[0] = replace(result.rounds[0], accuracy=np.nan)
    path = tmp_path / "trace.json"
    write_trace(run_of(result), path)
    events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    first = next(event for event in events if event.get("cat") == "round")
    assert first["args"]["accuracy"] is None


def test_control_characters_of_a_label_are_shown_as_escapes(tmp_path):
    path = tmp_path / "trace.json"
    write_trace(run_of(method("a\x1b[31m\u202eb")), path)
    events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    (name,) = (e["args"]["name"] for e in events if e["name"] == "process_name")
    assert name == r"a\x1b[31m\u202eb"


def test_the_same_run_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_trace(run_of(method("splitfed", clients=5)), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
