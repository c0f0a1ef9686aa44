"""Split training in two processes over real sockets: the simulator's very bytes, and about its times.

The whole set, with its table, is validation/training/run.py. Here is a small case, on a machine that may
do other things at the same time: bytes must be equal, times of the right size. Where other
programs leave it no time, times are not judged.
"""

import importlib
import math
import sys
from pathlib import Path

import pytest
from idle import Idle

from cutlayer.sim.calibrate.calibrate import calibrate
from cutlayer.topologies.catalogue.profile_file import measured, profile_text

FOLDER = Path(__file__).resolve().parents[2] / "validation"
ATTEMPTS = 4
WITHIN = 4.0  # times: other tests may run on the same two cores
BUSY = 0.1  # idle processor time below this: two processes that train leave a part of two cores
METHODS = ("splitfed", "ecofed")  # classic_fl sends nothing that these do not send
NAMES = ("shaped", "cases", "channel", "predicted", "measured", "compare", "training")

pytestmark = [
    pytest.mark.real_network,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's"),
]


@pytest.fixture
def tools(monkeypatch):
    """The validation's modules; skips where this machine cannot shape namespaces."""
    monkeypatch.syspath_prepend(str(FOLDER / "sockets"))
    monkeypatch.syspath_prepend(str(FOLDER / "training"))
    for name in NAMES:
        sys.modules.pop(name, None)
    modules = {name: importlib.import_module(name) for name in NAMES}
    shaped = modules["shaped"]
    try:
        with shaped.Shaped([shaped.Shape(1e7, 1e7)]):
            pass
    except shaped.CannotShapeError as error:
        pytest.skip(f"no shaped namespaces here: {error}")
    yield modules
    for name in NAMES:
        sys.modules.pop(name, None)


def test_two_processes_train_with_the_bytes_and_about_the_times_predicted(
    tools, tmp_path, monkeypatch
):
    monkeypatch.setattr("cutlayer.sim.calibrate.campaign.BATCHES", (8, 16))
    calibrated = calibrate(
        "here",
        threads=1,
        passes=2,
        budget_s=1e6,
        progress=lambda *_: None,
        probes=("thin",),
        cases=(),
    )
    profile = tmp_path / "here.yaml"
    text = profile_text(measured(calibrated.fit.profile, "for a test"))
    profile.write_text(text, encoding="utf-8")
    (case,) = tools["cases"].QUICK
    for method in METHODS:
        said = tools["predicted"].rounds(case, method, profile)
        for _ in range(ATTEMPTS):
            with Idle() as idle:
                run = tools["measured"].play(case, method, 2)
            rounds = run.rounds // len(said)  # of each kind
            assert run.bytes_up == rounds * sum(kind["up"] for kind in said.values())
            go = run.rounds * tools["training"].GO
            assert run.bytes_down == rounds * sum(kind["down"] for kind in said.values()) + go
            assert all(math.isfinite(loss) for loss in run.losses)
            found = tools["compare"].compare(case, method, [run], said)
            worst = max(abs(math.log(1 + one.error)) for one in found)
            if worst < math.log(WITHIN) or idle.share < BUSY:
                break
        else:
            raise AssertionError(f"{method}: {found}")
