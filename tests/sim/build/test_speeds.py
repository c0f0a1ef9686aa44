"""Speeds drawn for each client of a group: their distribution, their streams, and bad input."""

import json
import math
from pathlib import Path
from statistics import fmean

import pytest
from command_line import CommandLine, assert_refused

from cutlayer import load_scenario, run
from cutlayer.sim.build.topology import make_topology
from cutlayer.topologies import scores
from cutlayer.topologies.device import DeviceProfile
from cutlayer.topologies.scores import ScoresError, read_scores

SCENARIO = """
name: fleet
data: {{dataset: digits, partition: {{sizes: 1}}}}
model: {{name: lenet, cut: 1}}
training: {{rounds: 1, batch_size: 1, optimizer: {{name: sgd, lr: 0.01}}}}
devices: {{phone: {{speed: 2 GFLOP/s}}, board: {{speed: 1 GFLOP/s}}}}
speeds: [{speeds}]
topology:
  star:
    server: {{device: server-8-core, slots: 1}}
    clients:
      - {{device: phone, count: {count}, link: wifi-50}}
      - {{device: board, link: wifi-50, name: odd}}
methods: [classic_fl]
"""


def fleet(folder: Path, speeds: str, count: int = 1000, seed: int = 0) -> dict[str, DeviceProfile]:
    path = folder / "fleet.yaml"
    path.write_text(SCENARIO.format(speeds=speeds, count=count), encoding="utf-8")
    topology = make_topology(load_scenario(path).scenario, seed)
    return {name: topology.node(name).device for name in topology.clients}


def factors(devices: dict[str, DeviceProfile]) -> list[float]:
    return [d.speed_factor for name, d in devices.items() if name != "odd"]


def test_lognormal_speeds_have_the_stated_mean_and_spread(tmp_path):
    devices = fleet(tmp_path, "{clients: phone, lognormal: 0.5}")
    drawn = factors(devices)
    assert len(set(drawn)) == 1000
    # 99.9 % intervals of a mean over 1000 draws, and of a standard deviation of logarithms.
    assert fmean(drawn) == pytest.approx(1.0, abs=3.3 * 0.5 / math.sqrt(1000))
    logs = [math.log(factor) for factor in drawn]
    sigma = math.sqrt(math.log(1.25))
    spread = math.sqrt(fmean([(x - fmean(logs)) ** 2 for x in logs]))
    assert spread == pytest.approx(sigma, rel=3.3 / math.sqrt(2000))
    one = devices["phone-7"]
    assert one.rate("conv", "forward") == pytest.approx(2e9 * one.speed_factor)
    assert one.name == "phone"
    assert devices["odd"].speed_factor == 1


def test_a_draw_depends_only_on_the_seed_and_the_client(tmp_path):
    few = fleet(tmp_path, "{clients: phone, lognormal: 0.5}", count=3)
    many = fleet(tmp_path, "{clients: phone, lognormal: 0.5}", count=30)
    for name in ("phone-0", "phone-1", "phone-2"):
        assert few[name].speed_factor == many[name].speed_factor
    other = fleet(tmp_path, "{clients: phone, lognormal: 0.5}", count=3, seed=1)
    assert not set(factors(few)) & set(factors(other))
    wider = fleet(tmp_path, "{clients: phone, lognormal: 0.5}, {clients: odd, lognormal: 1.0}", 3)
    assert factors(wider) == factors(few)


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_scores_of_a_file_are_drawn_relative_to_their_mean(tmp_path, suffix):
    path = tmp_path / f"scores.{suffix}"
    if suffix == "json":
        rows = [{"Model": "a", "CPU": " 100 "}, {"Model": "b", "CPU": 300}, {"Model": "c"}]
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_text("Model,CPU\na,100\nb,300\nc,\n", encoding="utf-8")
    drawn = factors(fleet(tmp_path, f"{{clients: phone, scores: {path}, column: CPU}}", 400))
    assert set(drawn) == {0.5, 1.5}
    assert fmean(drawn) == pytest.approx(1.0, abs=3.3 * 0.5 / math.sqrt(400))


def test_byte_order_marks_and_line_endings_are_ignored(tmp_path):
    (tmp_path / "s.csv").write_bytes(b'\xef\xbb\xbfscore,model\r\n900,"A, B"\r\n 300,C\r\n')
    assert read_scores(tmp_path / "s.csv", "score") == (900.0, 300.0)
    (tmp_path / "s.json").write_bytes(b'\xef\xbb\xbf[{"score": 900}]')
    assert read_scores(tmp_path / "s.json", "score") == (900.0,)


def test_times_are_refused_as_scores_and_too_many_rows_are_counted(tmp_path, monkeypatch):
    (tmp_path / "s.csv").write_text("inference_ms\n5\n6\n7\n", encoding="utf-8")
    with pytest.raises(ScoresError, match="'inference_ms' is a time, of which less is faster"):
        read_scores(tmp_path / "s.csv", "inference_ms")
    monkeypatch.setattr(scores, "MAX_ROWS", 2)
    with pytest.raises(ScoresError, match="has 4 rows: at most 2 are read"):
        read_scores(tmp_path / "s.csv", "score")


def test_slower_devices_take_longer(tmp_path):
    fleet(tmp_path, "{clients: phone, lognormal: 0.8}", count=5)
    (result,) = run(load_scenario(tmp_path / "fleet.yaml"), executor="none", log="events")
    uses = result.methods["classic_fl"].devices
    topology = make_topology(load_scenario(tmp_path / "fleet.yaml").scenario, 0)
    spans = {
        uses[f"phone-{n}"].compute_s * topology.node(f"phone-{n}").device.speed_factor
        for n in range(5)
    }
    assert max(spans) == pytest.approx(min(spans))
    assert len({uses[f"phone-{n}"].compute_s for n in range(5)}) == 5


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.json", None, "s.json does not exist"),
        ("s.json", "{", "is not valid JSON"),
        ("s.json", "1" * 5000, "holds a number of more than 4,300 digits"),
        ("s.json", "[" * 100_000, "is nested too deeply"),
        ("s.json", "[]", "expected a list of objects, got an empty one"),
        ("s.json", '[{"CPU": true}]', "row 1: CPU: expected a positive number .got 'True'"),
        ("s.json", '[{"CPU": NaN}]', "row 1: CPU: expected a positive number .got 'nan'"),
        ("s.json", '[{"CPU": 1e999}]', "row 1: CPU: expected a positive number .got 'inf'"),
        ("s.json", '[{"CPU": 1}, {"CPU": 2000001}]', "reach from 1 to 2e.06: expected a factor of"),
        ("s.json", '{"a": 1}', "expected a list of objects"),
        ("s.csv", "", "expected a header and rows"),
        ("s.csv", "Model,CPUU\na,1\n", "no column 'CPU'; did you mean 'CPUU'"),
        ("s.csv", "CPU\nfast\n", "line 2: CPU: expected a positive number .got 'fast'"),
        ("s.csv", "CPU\n-3\n", "line 2: CPU: expected a positive number"),
        ("s.csv", "CPU\n1_000\n", "line 2: CPU: expected a positive number .got '1_000'"),
        ("s.csv", "CPU\n\u0663\n", "line 2: CPU: expected a positive number"),
        ("s.csv", "\ndeear0\ny,55022\n", "no column 'CPU'; known are deear0"),
        ("s.csv", "\nCPU\ny,55022\n", "line 3: expected 1 cells as in the header, got 2"),
        ("s.csv", "Model,CPU\na,1\nb\n", "line 3: expected 2 cells as in the header, got 1"),
        ("s.csv", "CPU,CPU\n1,2\n", "has 2 columns named 'CPU'"),
        ("s.csv", 'CPU\n"1', "line 2: is not valid CSV"),
        ("s.csv", "CPU\n1\0\n", "line 2 holds the control character U.0000"),
        ("s.csv", "CPU\n" + "1" * 200_000, "line 2: is not valid CSV .field larger than"),
        ("s.csv", "Model,CPU\na,\n", "the column 'CPU' is empty"),
    ],
)
def test_a_file_without_scores_is_refused_with_one_sentence(tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ScoresError, match=said) as refused:
        read_scores(path, "CPU")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("speeds", "words"),
    [
        ("{clients: raspberry-pi-4b}", ["speeds.0", "needs one of lognormal"]),
        ("{clients: raspberry-pi-4b, lognormal: 0}", ["speeds.0.lognormal"]),
        ("{clients: raspberry-pi-4b, lognormal: 1, column: x}", ["speeds.0", "column"]),
        ("{clients: raspberry-pi-4b, scores: no.csv, column: x}", ["speeds.0", "no.csv"]),
        ("{clients: raspbery-pi-4b, lognormal: 1}", ["speeds.0.clients", "did you mean"]),
        (
            "{clients: raspberry-pi-4b, lognormal: 1}, {clients: raspberry-pi-4b-1, lognormal: 1}",
            ["speeds.1.clients", "raspberry-pi-4b-1", "is already set by an earlier entry"],
        ),
    ],
)
def test_bad_speeds_are_refused(speeds, words, cli: CommandLine):
    assert_refused(cli.run(f"speeds=[{speeds}]"), *words)
