"""The Pareto front against its definition; unknown figures do not hide a point."""

import itertools
from pathlib import Path

import numpy as np
import yaml
from hypothesis import given
from hypothesis import strategies as st
from small_studies import SCENARIO, small_study

from cutlayer.sim.studies.decisions.pareto import non_dominated
from cutlayer.sim.studies.sweep import sweep


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12))
def test_the_front_has_exactly_the_undominated_rows(rows: list[tuple[int, int, int]]) -> None:
    kept = non_dominated(np.array(rows, dtype=float))
    for row, on_front in zip(rows, kept, strict=True):
        beaten = any(
            other != row and all(o <= r for o, r in zip(other, row, strict=True)) for other in rows
        )
        assert on_front == (not beaten)


def test_a_device_of_unknown_energy_is_not_left_out(tmp_path: Path) -> None:
    base = yaml.safe_load(SCENARIO)
    base["devices"] = {"unknown": {"speed": "900 GFLOP/s"}}
    field = "topology.star.clients.0.device"
    axes = [{"name": "device", "field": field, "values": ["raspberry-pi-4b", "unknown"]}]
    swept = sweep(small_study(tmp_path, yaml.safe_dump(base), axes=axes), executor="none")
    energies = {f.point.labels["device"]: f.result.energy_j for f in swept.cells if f.result}
    assert energies["unknown"] is None
    assert energies["raspberry-pi-4b"] is not None
    front = swept.decisions["pareto"]
    assert {row["device"] for row in front} == {"unknown"}  # the faster one, at equal bytes
    assert "energy of the devices" not in itertools.chain(*front)
