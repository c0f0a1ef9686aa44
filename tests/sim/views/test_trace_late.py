"""A trace whose virtual time is beyond what its viewers count: it says what it leaves out."""

import json
from pathlib import Path

from small_scenarios import STAR, scenario

from cutlayer import run
from cutlayer.sim.views import write_trace
from cutlayer.sim.views.trace import LAST_NS, leaves_out


def traced(folder: Path, delay: str) -> tuple[dict[str, object], int, bool]:
    changes = "methods=[splitfed, classic_fl]", f"topology.star.clients.0.link.delay={delay}"
    loaded = scenario(folder, STAR, "topology.star.clients.0.count=1", *changes)
    (result,) = run(loaded, executor="none", log="events")
    left_out = write_trace(result, folder / "trace.json")
    trace: dict[str, object] = json.loads((folder / "trace.json").read_text(encoding="utf-8"))
    return trace, left_out, leaves_out(result)


def test_what_ends_after_292_years_is_left_out_and_counted(tmp_path: Path) -> None:
    # Four batches go up and down at 1e9 s (32 years) a way: splitfed's round takes some 10 such
    # ways, and those before 292 years (9.22e9 s) are shown.
    trace, left_out, said = traced(tmp_path, "1e9 s")
    assert said
    events = trace["traceEvents"]
    assert isinstance(events, list)
    times = [event["ts"] + event.get("dur", 0) for event in events if "ts" in event]
    assert max(times) * 1000 <= LAST_NS
    labels = [event["args"] for event in events if event["name"] == "process_labels"]
    assert sum(label["left_out"] for label in labels) == left_out > 0
    assert "292 years" in labels[0]["labels"]
    assert trace["otherData"] == {
        "left out": f"{left_out} intervals that end after 292 years of virtual time (2^63 ns)"
    }
    assert {event["name"] for event in events if event["ph"] == "X"} >= {"forward", "activation"}


def test_a_trace_that_ends_in_time_leaves_nothing_out(tmp_path: Path) -> None:
    trace, left_out, said = traced(tmp_path, "5 ms")
    assert left_out == 0
    assert not said
    assert "otherData" not in trace
    assert "process_labels" not in json.dumps(trace)
