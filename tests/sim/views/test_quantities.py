import pytest

from cutlayer.sim.results.estimate import Estimate, estimate
from cutlayer.sim.views.quantities import BYTES, TIMES, common_unit, quantity, significant, spread


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (132.86, "133"),
        (16.127, "16.1"),
        (9.996, "10.0"),
        (0.00012345, "0.000123"),
        (123456.7, "123457"),
        (-2.5, "-2.50"),
    ],
)
def test_significant_digits_without_exponent(value, text):
    assert significant(value) == text


def test_one_unit_for_all_is_the_largest_that_keeps_the_smallest_above_one():
    assert common_unit([0.5, 90.0], TIMES) == ("ms", 1e-3)
    assert common_unit([61.0, 7200.0, None, 0.0], TIMES) == ("min", 60.0)
    assert common_unit([1e-9], TIMES) == ("us", 1e-6)
    assert common_unit([], BYTES) == ("B", 1.0)
    assert common_unit([0.0, None], TIMES) == ("s", 1.0)


def test_quantity_has_its_own_unit():
    assert quantity(9000.0, TIMES) == "2.50 h"
    assert quantity(2_073_983, BYTES, 4) == "2.074 MB"


def test_the_interval_is_students():
    # 1, 2 and 3 have s = 1; the 0.975 quantile of t with 2 degrees of freedom is 4.302653.
    found = estimate([1.0, 2.0, None, 3.0])
    assert found is not None
    assert found.mean == 2.0
    assert found.count == 3
    assert found.half_width == pytest.approx(4.302652729911275 / 3**0.5, rel=1e-9)


def test_estimates_of_few_values():
    assert estimate([None, None]) is None
    assert estimate([None, 4.0]) == Estimate(4.0, None, 1)
    assert estimate([4.0, 4.0]) == Estimate(4.0, 0.0, 2)


def test_spread_rounds_to_the_half_width():
    assert spread(Estimate(186.234, 2.31, 3)) == "186.2 ± 2.3"
    assert spread(Estimate(0.98765, 0.0123, 3), 0.01) == "98.8 ± 1.2"
    assert spread(Estimate(868.4, 195.2, 3), sign="+/-") == "868 +/- 195"
    assert spread(Estimate(89.2, 1e-7, 3)) == "89.2"
    assert spread(Estimate(89.2, None, 1)) == "89.2"
