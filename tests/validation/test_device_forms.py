"""The form of the time of a layer beside other forms, by errors on networks that were left out."""

import importlib
import math
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from cutlayer.topologies.spreads import FORM_ERROR, NEW_FORM_ERROR

FOLDER = Path(__file__).resolve().parents[2] / "validation" / "devices"
NAMES = ("calibration", "old_form", "fit_catalogue", "compare_forms", "coverage", "two_networks")


@pytest.fixture(scope="module")
def forms():
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("compare_forms")
    sys.path.remove(str(FOLDER))
    for name in NAMES:
        sys.modules.pop(name, None)


def test_networks_that_were_left_out_are_predicted_better_than_by_other_forms(forms):
    errors = {one.form: one for one in forms.compared()}
    new = errors["new form"]
    assert len(new.errors) == 20  # steps of 9 networks with repeats, and fine-tuning of 7
    assert fmean(new.off()) <= 0.16
    assert fmean(new.off("step")) <= 0.14
    for form, other in errors.items():
        assert len(other.errors) == len(new.errors), form
        if form not in ("new form", "new form without columns", forms.LINEAR):
            assert fmean(other.off()) > fmean(new.off()) + 0.01, form
            assert fmean(other.off("step")) > fmean(new.off("step")) + 0.005, form
    # Large products of transformers are faster than convolutions; BERT's rows know it before the ViT's.
    own = errors[forms.LINEAR]
    vit = [row for row in own.errors if row.network == "vit-small"]
    assert len(vit) == 2
    assert all(0 < own.errors[row] < 0.75 * new.errors[row] for row in vit)
    others = [row for row in own.errors if row not in vit]
    assert fmean(abs(own.errors[row]) for row in others) == pytest.approx(
        fmean(abs(new.errors[row]) for row in others), abs=0.005
    )
    # Columns are there for the layers of VGG19: steps of whole networks do not show them.
    assert fmean(errors["new form without columns"].off()) > fmean(new.off()) - 0.02


def test_every_term_brings_the_layers_of_vgg19_nearer(forms):
    found = {form: forms.layers_of_vgg19(changes) for form, changes in forms.TERMS.items()}
    for form, errors in found.items():
        for error, best in zip(errors, found["new form"], strict=True):
            assert error >= best, form
    streams = found["new form without weight streams"]
    assert all(error > 1.5 * best for error, best in zip(streams, found["new form"], strict=True))


def test_the_raspberry_pi_5_is_predicted_as_well(forms):
    assert fmean(forms.pi_5_left_out().off()) <= 0.16


def test_calibrated_profiles_are_no_worse_than_those_of_the_old_form(forms):
    found = forms.calibrated()
    mean = {
        name: fmean(abs(error) for error in getattr(found, name).values())
        for name in ("new", "old", "one_speed", "noise")
    }
    assert len(found.new) == 21
    assert mean["new"] <= mean["old"] + mean["noise"]
    assert mean["new"] <= 0.05 < mean["one_speed"] / 5


def test_the_recorded_campaign_is_what_it_says(forms, tmp_path):
    calibration = importlib.import_module("calibration")
    measured, noise = calibration.recorded()
    assert (len(measured.probes), len(measured.cases), len(noise)) == (28, 21, 21)
    again = tmp_path / "again.csv"
    calibration.record(again, measured)
    assert calibration.recorded(again)[0].probes == measured.probes
    assert calibration.recorded(again)[0].cases == measured.cases


def test_intervals_of_predictions_hold_the_public_rows_as_often_as_they_say(forms):
    coverage = importlib.import_module("coverage")
    rows = coverage.covered()
    assert len(rows) == len(forms.public_rows())
    assert 0.80 <= coverage.share(rows) <= 0.97
    steps = [one for one in rows if one.kind == "step"]
    assert coverage.share(steps) >= 0.9
    assert 0.80 <= coverage.share(coverage.left_out_covered()) <= 0.97


def test_intervals_hold_rows_of_architectures_that_were_left_out(forms):
    """The error of a new architecture is the same with and without the ViT's rows."""
    coverage = importlib.import_module("coverage")
    rows = coverage.architectures_left_out()
    assert len(rows) == 28
    assert 0.80 <= coverage.share(rows) <= 0.97
    assert coverage.error_of_architectures(rows) == pytest.approx(NEW_FORM_ERROR, abs=0.01)
    assert coverage.error_of_architectures(rows, "vit") == pytest.approx(NEW_FORM_ERROR, abs=0.01)
    vit = [one for one in rows if one.row.network == "vit-small"]
    assert [one.row.seconds for one in vit] == [17.444, 5.83]
    assert all(one.inside for one in vit)


def test_intervals_hold_rows_that_no_fit_has_seen(forms):
    rows = importlib.import_module("coverage").unseen()
    assert len(rows) == 6
    assert all(one.inside for one in rows)
    # Outside of the narrower interval of architectures that were timed, and on the same side.
    over = [math.log(math.sqrt(one.low * one.high) / one.row.seconds) for one in rows]
    assert min(over) > 1.645 * FORM_ERROR


def test_rates_and_weights_of_convolutional_networks_hold_for_a_transformer(forms):
    """BERT-base on a Pi 4B, whose figures come from other networks.

    One token takes the traffic of the weights, and no figure is fitted to it. With two factors of the
    stack, one thread of four, ten lengths from 1 to 512 tokens are within 8 %.
    """
    fits = sys.modules["fit_catalogue"]
    pi, _ = fits.fitted_pi()
    found, rows = fits.fitted_stack(pi, "raspberry-pi-4b", "pytorch-one-thread", 1.0)
    assert len(rows) == 10
    assert pi.seconds(replace(rows[0], stack="")) == pytest.approx(rows[0].seconds, rel=0.15)
    assert all(found.seconds(row) == pytest.approx(row.seconds, rel=0.08) for row in rows)


def test_a_dense_and_a_light_network_tell_more_than_two_of_one_kind(forms):
    pairs = importlib.import_module("two_networks").two_networks()
    assert len(pairs) == 21 + 6  # of seven networks and of four
    good = [one for one in pairs if one.recommended]
    assert {one.board for one in good} == {"raspberry-pi-4b", "raspberry-pi-5"}
    assert all(one.mean() <= 0.20 for one in good)
    assert fmean(one.mean("step") for one in good) <= 0.10
    assert 0.8 <= fmean(one.inside for one in good) <= 0.97
    pi_5 = next(
        one for one in good if one.networks == ("resnet18", "mobilenetv2") and "5" in one.board
    )
    assert pi_5.mean("step") == pytest.approx(0.02, abs=0.005)  # as the how-to page says
    alike = [one for one in pairs if one.kinds[0] == one.kinds[1]]
    assert fmean(one.mean() for one in alike) > 2 * fmean(one.mean() for one in good)
