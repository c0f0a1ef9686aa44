"""The data of published tables: rows are those of the fit, predictions those of the script."""

import csv
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from cutlayer.sim.papers import benchmark_pi, mpsl

DEVICES = Path(__file__).parents[2] / "validation" / "devices"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    known = set(sys.modules)
    monkeypatch.syspath_prepend(DEVICES)
    yield importlib.import_module("benchmark_pi")
    for name in set(sys.modules) - known:
        if (DEVICES / f"{name}.py").exists():
            del sys.modules[name]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("table", [mpsl, benchmark_pi])
def test_the_rows_of_a_table_are_those_of_the_fit(table: ModuleType) -> None:
    own = rows(table.MEASURED)
    columns = set(own[0]) - {"stack"}
    networks = {row["model"] for row in own}
    stacks = {row["stack"] for row in own} - {""}
    fitted = [
        r for r in rows(DEVICES / "rows.csv") if r["model"] in networks and r["stack"] in stacks
    ]
    assert [{name: row[name] for name in columns} for row in own] == [
        {name: row[name] for name in columns} for row in fitted
    ]


def test_the_predictions_of_networks_left_out_are_those_of_the_script(script: ModuleType) -> None:
    recorded = {
        (row["device"], row["model"], row["pass"]): float(row["seconds"])
        for row in rows(benchmark_pi.LEFT_OUT)
    }
    now = {tuple(names): seconds for *names, seconds in script.left_out()}
    # 4 digits were written, and the optimizer's last digits depend on the version of scipy.
    assert recorded == pytest.approx(now, rel=2e-3)
