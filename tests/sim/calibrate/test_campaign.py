"""The campaign with real training, in a small version."""

import random

import pytest
import torch

from cutlayer.sim.calibrate.calibrate import CalibrationError, calibrate
from cutlayer.sim.calibrate.campaign import measure
from cutlayer.sim.calibrate.held_out import Case
from cutlayer.sim.calibrate.probes import PROBES, probe
from cutlayer.sim.calibrate.timing import Trainer, block_times, loader_seconds
from cutlayer.sim.calibrate.worker import Workshop

LENET = Case("lenet", "whole", 10)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr("cutlayer.sim.calibrate.campaign.BATCHES", (2, 4))


def silent(*_: object) -> None:
    """Ignore progress."""


def test_a_small_calibration_measures_every_probe_and_case(monkeypatch):
    monkeypatch.setattr("cutlayer.sim.calibrate.campaign.BATCHES", (2,))
    threads = torch.get_num_threads()
    found = calibrate(
        "here",
        threads=1,
        passes=2,
        budget_s=1e6,
        progress=silent,
        probes=("thin", "linear"),
        cases=(LENET,),
    )
    assert torch.get_num_threads() == threads
    assert len(found.errors) == 1
    for one in found.errors:
        assert one.measured_s > 0
        assert one.predicted_s > 0
        assert one.noise >= 0
    assert found.measured.left_out == []
    assert found.measured.passes_made == 2
    assert {name for name, _ in found.measured.probes} == {"thin", "linear"}
    profile = found.fit.profile
    assert profile.layer_overhead_s > 0
    assert profile.memory_bytes > 0
    assert profile.loader_s_per_sample > 0


def test_a_job_with_too_long_an_iteration_is_left_out_and_named(monkeypatch):
    monkeypatch.setattr("cutlayer.sim.calibrate.campaign.BATCHES", (2,))
    random.seed(1)
    before = torch.random.get_rng_state(), random.getstate()
    found = measure(("thin",), (LENET,), threads=1, passes=2, budget_s=1e-6, progress=silent)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert before[1] == random.getstate()
    assert found.probes == {}
    assert found.cases == {}
    assert len(found.left_out) == 2
    assert all("takes too long for the time given" in line for line in found.left_out)
    assert found.passes_made == 1  # of two, since the time was up
    with pytest.raises(CalibrationError, match="give more time"):
        calibrate(
            "x", threads=1, passes=2, budget_s=1e-6, progress=silent, probes=("thin",), cases=()
        )


def test_the_order_changes_from_pass_to_pass(monkeypatch):
    """No job is timed here: the order does not depend on times."""
    monkeypatch.setattr(Workshop, "time", lambda *_: ([], []))
    asked: list[str] = []
    measure(
        ("thin",),
        (LENET,),
        threads=1,
        passes=3,
        budget_s=1e6,
        progress=lambda _, done, total, what: asked.append(f"{done}/{total} {what}"),
    )
    assert len(asked) == 9
    assert asked[0].startswith("0/9")
    names = [line.split(" ", 1)[1] for line in asked]
    assert names[:3] != names[3:6] or names[3:6] != names[6:]
    assert sorted(names[:3]) == sorted(names[3:6]) == sorted(names[6:])


@pytest.mark.parametrize("name", PROBES)
def test_block_times_cover_every_block(name):
    model = probe(name)
    times = block_times(model, 2)
    assert len(times.forward) == len(times.backward) == len(model)
    assert all(seconds > 0 for seconds in times.forward)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(("part", "cut"), [("whole", 0), ("front", 1), ("back", 1)])
def test_a_trainer_takes_steps_on_its_part_only(part, cut):
    model = probe("thin")
    before = [parameter.clone() for parameter in model.parameters()]
    trainer = Trainer(model, part, cut, 4)
    passes = trainer.iterate()
    assert passes.total == passes.forward + passes.backward + passes.step + passes.rest
    moved = [not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    first = len(list(model.blocks[0].parameters()))
    assert any(moved[:first]) == (part != "back")
    assert any(moved[first:]) == (part != "front")
    trainer.close()
    assert all(parameter.grad is None for parameter in trainer.module.parameters())


def test_loading_takes_time():
    assert loader_seconds(4, 3) > 0
