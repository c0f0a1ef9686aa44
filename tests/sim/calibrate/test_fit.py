"""The fit recovers a machine that follows the form, and reports its own error."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic import machine, measured_on

from cutlayer.models.cost import block_costs
from cutlayer.models.features import OP_CLASSES
from cutlayer.sim.calibrate.calibrate import fitted
from cutlayer.sim.calibrate.errors import (
    case_errors,
    flops_of,
    mean_error,
    one_speed,
    predicted_seconds,
)
from cutlayer.sim.calibrate.held_out import HELD_OUT, Case
from cutlayer.sim.calibrate.law import Law
from cutlayer.sim.calibrate.observations import observations, probe_costs
from cutlayer.sim.calibrate.probes import PROBES, probe
from cutlayer.sim.calibrate.report import prior_notes, undetermined
from cutlayer.sim.compute.stage import Stage
from cutlayer.topologies.figures import figures_of


@pytest.fixture(scope="module")
def known():
    return measured_on(machine(), HELD_OUT)


@pytest.fixture(scope="module")
def found(known):
    return fitted("found", known, 1e-5, 1)


def test_a_machine_that_follows_the_form_is_predicted_on_held_out_cases(known, found):
    errors = case_errors(found.profile, known)
    assert len(errors) == len(HELD_OUT)
    assert mean_error(errors) < 0.02
    assert max(abs(one.error) for one in errors) < 0.06
    assert found.block_error < 0.02
    assert found.pass_error < 0.01
    # One speed for everything would be far off: the held-out cases are not easy.
    assert sum(abs(one.one_number_error) for one in errors) / len(errors) > 0.2


def test_noise_in_the_measurements_changes_the_fit_little():
    noisy = measured_on(machine(), HELD_OUT, noise=0.1)
    errors = case_errors(fitted("noisy", noisy, 1e-5, 1).profile, noisy)
    assert 0 < mean_error(errors) < 0.05


def test_the_times_of_steps_and_of_the_rest_are_recovered(found):
    profile = found.profile
    assert profile.optimizer_bytes_per_s == pytest.approx(12e9, rel=0.01)
    assert profile.optimizer_overhead_s == pytest.approx(1e-5, rel=0.01)
    assert profile.iteration_overhead_s == pytest.approx(2e-4)
    assert profile.loader_s_per_sample == 1e-5
    assert set(profile.rates) == set(OP_CLASSES)


def test_the_known_figures_are_recovered(found):
    figures, known = figures_of(found.profile), figures_of(machine())
    for name in known:
        if name.startswith(("rates.conv", "rates.linear", "weight_", "columns")):
            assert figures[name] == pytest.approx(known[name], rel=0.05), name


def law_of(measured):
    """The law of the measurements, and the logarithms of the known machine's figures."""
    law, figures = Law.of(list(observations(measured))), figures_of(machine())
    return law, np.log([figures[name] for name in law.figures])


def test_the_columns_of_the_fit_are_the_stages_of_the_simulator(known):
    """The fit's law and the simulator's `Stage` agree."""
    seen, profile = list(observations(known)), machine()
    law, logs = law_of(known)
    times = law.seconds(logs)
    for one, seconds in zip(seen, times, strict=True):
        stage = Stage(profile, one.layers)
        work = stage.forward if one.pass_ == "forward" else stage.backward
        assert seconds == pytest.approx(work(one.batch_size).seconds, rel=1e-9)
        assert seconds == pytest.approx(one.seconds, rel=1e-9)


def test_the_derivatives_are_differences(known):
    law, logs = law_of(known)
    slopes = law.derivatives(logs)
    step = 1e-5
    for place in range(len(logs)):
        more, less = logs.copy(), logs.copy()
        more[place] += step
        less[place] -= step
        difference = (law.seconds(more) - law.seconds(less)) / (2 * step)
        assert slopes[:, place] == pytest.approx(difference, rel=1e-5, abs=1e-9)


def test_undetermined_figures_are_named_in_a_line_and_in_notes(found):
    assert "rates.elementwise" in found.undetermined
    assert "memory_bandwidth" not in found.undetermined
    line, notes = undetermined(found), prior_notes(found)
    assert line == (
        "Not determined by the probes and left at their priors:"
        " rates.elementwise (forward, backward); rates.pool (backward)."
    )
    assert notes.keys() == found.undetermined.keys()
    assert notes["rates.elementwise"] == (
        "forward, backward: not determined by the probes and left at the median speed of the probes,"
        " pulled towards the other pass"
    )
    without = replace(found, undetermined={"memory_bandwidth": ()})
    assert undetermined(without) == (
        "Not determined by the probes and left at their priors: memory_bandwidth."
    )
    assert prior_notes(without)["memory_bandwidth"] == (
        "not determined by the probes and left at 4 times the fastest observed movement of bytes"
    )
    assert undetermined(replace(found, undetermined={})) == ""


def test_the_costs_of_a_probe_do_not_depend_on_its_weights():
    for name in PROBES[:2]:
        assert probe_costs(name) == block_costs(probe(name))


def test_no_probe_is_a_held_out_model():
    sizes = {sum(p.numel() for p in probe(name).parameters()) for name in PROBES}
    assert len(sizes) == len(PROBES)
    assert not {case.model for case in HELD_OUT} & set(PROBES)
    assert {case.part for case in HELD_OUT} == {"whole", "front", "back"}
    assert min(case.batch_size for case in HELD_OUT) == 10
    assert max(case.batch_size for case in HELD_OUT) == 128


def test_one_speed_is_flops_over_seconds(known):
    case = Case("vgg5", "whole", 10)
    assert flops_of(case) > 10 * 3 * 2 * 8_000_000 * 0.8
    assert one_speed(known) > 0
    assert predicted_seconds(machine(), case) == pytest.approx(known.cases[case].seconds("total"))
