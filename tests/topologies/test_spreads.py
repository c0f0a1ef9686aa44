"""How well figures are known: by covariance, by status, or not at all."""

import math
from dataclasses import replace

import numpy as np
import pytest

from cutlayer.topologies import DeviceProfile, PassRates, catalogue
from cutlayer.topologies.covariance import Covariance, CovarianceError
from cutlayer.topologies.figures import figures_of
from cutlayer.topologies.spreads import SPREADS, form_error_of, is_timed, spread_of, with_factors

BOARD = DeviceProfile(
    name="board",
    description="",
    rates={"conv": PassRates(4e9, 2e9), "norm": PassRates(1e12, 1e12)},
    memory_bandwidth_bytes_per_s=math.inf,
    optimizer_bytes_per_s=1e9,
    layer_overhead_s=1e-4,
    iteration_overhead_s=0.07,
    loader_s_per_iteration=0.05,
    memory_bytes=None,
    status={
        "rates.conv": "derived",
        "rates.norm": "guess",
        "memory_bandwidth_bytes_per_s": "guess",
        "optimizer_bytes_per_s": "recalled",
        "layer_overhead_s": "measured",
        "optimizer_overhead_s": "guess",
        "loader_s_per_iteration": "published",
    },
)


def test_a_figure_has_the_spread_of_its_status():
    assert spread_of(BOARD) == {
        "rates.conv.forward": 0.2,
        "rates.conv.backward": 0.2,
        "rates.norm.forward": 0.5,
        "rates.norm.backward": 0.5,
        "memory_bandwidth": 0.0,  # infinite
        "optimizer_bandwidth": 0.3,
        "layer_overhead": 0.05,
        "iteration_overhead": 0.0,  # without a status: declared
        "loader_per_iteration": 0.05,
        "loader_per_sample": 0.0,
        "optimizer_overhead": 0.0,  # 0 s
        "round_overhead": 0.0,
    }


def test_a_covariance_replaces_the_status():
    known = Covariance(("rates.conv.forward", "layer_overhead"), ((0.01, 0.002), (0.002, 0.04)))
    spreads = spread_of(replace(BOARD, covariance=known))
    assert spreads["rates.conv.forward"] == pytest.approx(0.1)
    assert spreads["layer_overhead"] == pytest.approx(0.2)
    assert spreads["rates.conv.backward"] == 0.2


def test_one_speed_has_one_status():
    declared = DeviceProfile.from_speed("any", 1e9)
    assert set(spread_of(declared).values()) == {0.0}
    phone = spread_of(catalogue.device("nexus-6"))
    assert phone["rates.conv.forward"] == SPREADS["derived"]
    assert phone["memory_bandwidth"] == 0.0


def test_the_form_error_is_that_of_the_profile_or_of_its_kind():
    assert form_error_of(replace(BOARD, form_error=0.08)) == 0.08
    assert form_error_of(BOARD) == 0.15
    assert form_error_of(DeviceProfile.from_speed("any", 1e9)) == 0.7
    assert form_error_of(BOARD, timed=False) == 0.32
    assert form_error_of(replace(BOARD, form_error=0.08), timed=False) == 0.08
    assert form_error_of(DeviceProfile.from_speed("any", 1e9), timed=False) == 0.7


@pytest.mark.parametrize(
    "model", ["vgg5", "resnet50", "mobilenetv3-small", "torchvision:resnet18", "timm:vgg16"]
)
def test_models_of_architectures_with_several_timed_networks(model):
    assert is_timed(model)


@pytest.mark.parametrize(
    "model", ["vit-small", "transformers:resnet-50", "mymodels:resnet", "unet"]
)
def test_other_models_are_not_of_a_timed_architecture(model):
    assert not is_timed(model)


def test_factors_multiply_figures():
    moved = figures_of(with_factors(BOARD, {"rates.conv.backward": 2.0, "layer_overhead": 0.5}))
    assert moved == figures_of(BOARD) | {"rates.conv.backward": 4e9, "layer_overhead": 5e-5}


def test_the_factors_of_loader_and_iteration_apply_to_parts_of_the_same_time():
    moved = with_factors(BOARD, {"iteration_overhead": 0.5, "loader_per_iteration": 3.0})
    assert moved.loader_s_per_iteration == pytest.approx(0.15)
    assert moved.iteration_overhead_s == pytest.approx(0.15 + 0.01)


@pytest.mark.parametrize(
    ("names", "logs", "message"),
    [
        (("a", "a"), ((1.0, 0.0), (0.0, 1.0)), "the figure 'a' is named twice"),
        (("a", "b"), ((1.0, 0.0),), "must have 2 rows, one for each figure (got 1)"),
        (("a", "b"), ((1.0, 0.0), (0.0,)), "row 2 must have 2 numbers (got 1)"),
        (("a",), ((math.nan,),), "every number must lie between -100 and 100"),
        (
            ("a", "b"),
            ((1.0, 0.5), (0.4, 1.0)),
            "must be symmetric (got 0.5 for a and b, and 0.4 for b and a)",
        ),
        (
            ("a", "b"),
            ((1.0, 2.0), (2.0, 1.0)),
            "must not have a negative eigenvalue (got -1)",
        ),
    ],
)
def test_a_matrix_that_is_not_a_covariance(names, logs, message):
    with pytest.raises(CovarianceError) as raised:
        Covariance(names, logs)
    assert str(raised.value) == message


def test_a_covariance_without_some_figures():
    known = Covariance.of("abc", np.diag([0.1, 0.2, 0.3]) + 0.01)
    assert known.without({"b"}) == Covariance(
        ("a", "c"), ((known.logs[0][0], 0.01), (0.01, known.logs[2][2]))
    )
    assert known.deviations["c"] == pytest.approx(math.sqrt(0.31))
