"""The catalogue: complete, well-formed, and in agreement with its measurements."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from statistics import fmean

import pytest
import yaml
from pydantic import ValidationError

from cutlayer.models.features import OP_CLASSES, PASSES
from cutlayer.sim.calibrate.adjust import predicted
from cutlayer.sim.calibrate.timed_csv import read_iterations
from cutlayer.topologies import CatalogueError, catalogue
from cutlayer.topologies.catalogue.link_entry import LinkEntry
from cutlayer.topologies.catalogue.schema import DeviceEntry
from cutlayer.topologies.catalogue.stack_entry import StackEntry
from cutlayer.topologies.figures import COSTS, attribute_of, figures_of
from cutlayer.topologies.stack import GROUPS, TIMES, on_stack

ROWS = Path(__file__).parents[2] / "validation" / "devices" / "rows.csv"
# The public rows in rows.csv with the stack of each, by device, stack and pass: the mean relative error
# of single rows within which docs and notes say that the catalogue has them. A stack "" is the device's
# own.
STATED = {
    ("raspberry-pi-4b", "pytorch-jpeg-loader", "step"): 0.10,
    ("raspberry-pi-4b", "pytorch-python-loader", "step"): 0.10,
    ("raspberry-pi-4b", "libtorch", "forward"): 0.25,
    ("raspberry-pi-4b", "libtorch", "backward"): 0.20,
    ("raspberry-pi-4b", "edpfl", "step"): 0.10,
    ("raspberry-pi-3b-plus", "res-things", "step"): 0.10,
    ("raspberry-pi-5", "pytorch-jpeg-loader", "step"): 0.05,
    ("server-8-core", "", "forward"): 0.04,
    ("server-8-core", "", "backward"): 0.10,
    ("laptop-8-core", "", "forward"): 0.30,
    ("laptop-8-core", "", "backward"): 0.30,
}
# The published sums over VGG19's layers, batch 128, in seconds: forward and backward.
VGG19 = {"raspberry-pi-4b": (9.52, 59.76), "server-8-core": (0.85, 3.00)}
VGG19 |= {"laptop-8-core": (0.54, 2.01)}
ADAM_WORDS = 7
NOT_GIVEN = ("loader_s_per_sample", "optimizer_overhead_s", "round_overhead_s")  # 0 unless stated
VGG19_PARAMETERS = 139_611_210


@pytest.mark.parametrize("name", catalogue.device_names())
def test_a_device_is_complete(name):
    device = catalogue.device(name)
    assert device.name == name
    assert device.description
    assert device.sources
    for op_class in OP_CLASSES:
        for pass_ in PASSES:
            assert 0 < device.rate(op_class, pass_) <= 1e12
    stated = {attribute_of(figure) for figure in figures_of(device)} - {*NOT_GIVEN}
    stated = {"rates"} if device.coarse else stated
    stated |= {figure for figure in NOT_GIVEN if getattr(device, figure)}
    stated |= {f"power_w.{state}" for state in device.power_w}
    stated |= {name for name in ("memory_bytes", "host_speed") if getattr(device, name) is not None}
    assert set(device.status) == stated
    for figure, status in device.status.items():
        assert status in ("measured", "published") or device.notes[figure]


@pytest.mark.parametrize("name", catalogue.link_names())
def test_a_link_is_complete(name):
    link = catalogue.link(name)
    assert link.name == name
    assert link.description
    assert link.sources
    stated = {"up_bytes_per_s", "down_bytes_per_s"}
    assert set(link.status) == stated | ({"delay_s"} if link.delay_s is not None else set())
    for figure, status in link.status.items():
        assert status in ("measured", "published") or link.notes[figure]
    assert link.up_bytes_per_s <= link.down_bytes_per_s


@pytest.mark.parametrize("name", catalogue.stack_names())
def test_a_stack_is_complete(name):
    stack = catalogue.stack(name)
    assert stack.name == name
    assert stack.description
    assert stack.sources
    given = {name for name in TIMES if name != "round_s" or stack.round_s}
    assert set(stack.status) == {*GROUPS} | given
    for figure, status in stack.status.items():
        assert status in ("measured", "published") or stack.notes[figure]
    on = on_stack(catalogue.device("raspberry-pi-4b"), stack)
    assert on.stack == name
    assert on.loader_s_per_sample == stack.loader_s_per_sample  # its host_speed is 1


@pytest.mark.parametrize("file", ["devices.yaml", "links.yaml", "stacks.yaml"])
def test_a_file_has_no_key_twice_and_names_no_place_of_work(file):
    text = (files(catalogue) / file).read_text(encoding="utf-8")
    node = yaml.compose(text, yaml.SafeLoader)
    todo = [node]
    while todo:
        node = todo.pop()
        if isinstance(node, yaml.MappingNode):
            keys = [key.value for key, _ in node.value]
            assert len(keys) == len(set(keys)), keys
            todo += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value
    assert "/work" not in text


@cache
def rows():
    """Return the public rows and the seconds that the simulator gives for each."""
    return [(one, predicted_seconds(one)) for one in read_iterations(ROWS)]


def predicted_seconds(one):
    stack = stack_of(one.device, one.row.stack)
    device = catalogue.device(one.device)
    return predicted(device, catalogue.stack(stack) if stack else None, one.row)


def stack_of(device, stack):
    """Return the stack of a row, or "" where the device's figures are those of the row's own."""
    own = ("server-8-core", "laptop-8-core", "jetson-nano")
    return "" if device in own else stack


@pytest.mark.parametrize(("device", "stack", "pass_"), STATED)
def test_a_device_has_the_public_times_within_its_stated_error(device, stack, pass_):
    off = [
        abs(seconds / one.row.seconds - 1)
        for one, seconds in rows()
        if (one.device, stack_of(one.device, one.row.stack)) == (device, stack)
        and one.row.what.endswith(pass_)
    ]
    assert off
    assert fmean(off) < STATED[device, stack, pass_]


@pytest.mark.parametrize("name", VGG19)
def test_a_device_has_the_passes_of_the_vgg19_that_it_was_fitted_to(name):
    for pass_, expected in zip(PASSES, VGG19[name], strict=True):
        mine = [
            (one.row.seconds, seconds)
            for one, seconds in rows()
            if one.device == name and one.row.network == "vgg19" and one.row.what.endswith(pass_)
        ]
        measured, found = map(sum, zip(*mine, strict=True))
        assert measured == pytest.approx(expected, rel=0.02)
        assert found == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("raspberry-pi-4b", 2.63), ("server-8-core", 0.15), ("laptop-8-core", 0.13)],
)
def test_the_optimizer_steps_of_vgg19_with_adam(name, seconds):
    traffic = ADAM_WORDS * 4 * VGG19_PARAMETERS
    assert catalogue.device(name).optimizer_seconds(traffic, 0) == pytest.approx(seconds, rel=0.01)


def test_the_jetson_reproduces_the_vgg5_it_was_derived_from():
    (one,) = (pair for pair in rows() if pair[0].device == "jetson-nano")
    assert one[0].row.seconds == 0.116
    assert one[1] == pytest.approx(0.116, rel=0.05)


def test_a_scaled_device_inherits_figures_and_doubts_but_neither_memory_nor_power():
    base, slow = catalogue.device("raspberry-pi-4b"), catalogue.device("raspberry-pi-3b-plus")
    figures = figures_of(base)
    for name, figure in figures_of(slow).items():
        factor = 1 / 0.435 if name in COSTS else 0.435
        assert figure == pytest.approx(figures[name] * factor), name
    assert slow.status["layer_overhead_s"] == "guess"
    assert slow.status["rates.conv"] == "derived"
    assert slow.notes["column_bytes_per_s"].startswith(
        "scaled from raspberry-pi-4b: 2.3 times slower"
    )
    assert slow.memory_bytes == 2**30
    assert slow.power_w["compute"] == 5.1
    assert set(base.sources) <= {*slow.sources}
    assert catalogue.device("server-8-core").memory_bytes is None


def test_links_of_the_papers():
    link = catalogue.link("4g")
    assert (link.up_bytes_per_s, link.down_bytes_per_s) == (1.25e6, 3.125e6)
    assert "delay_s" in link.unsure
    for name, up, down in (("pipar-4g", 10, 25), ("pipar-wifi", 50, 50)):
        link = catalogue.link(name)
        bytes_per_s = (link.up_bytes_per_s, link.down_bytes_per_s)
        assert bytes_per_s == pytest.approx((up * 1024e3 / 8, down * 1024e3 / 8))
        assert link.unsure == ("delay_s",)
    assert catalogue.link("fedcomm-3g-5").delay_s == 0.05
    assert catalogue.link("mpsl-8").delay_s is None
    assert catalogue.link("edpfl-hotspot").shared
    assert catalogue.link("us-5g").unsure == ("up_bytes_per_s", "down_bytes_per_s", "delay_s")


def test_an_unknown_name_is_refused_with_the_closest_one():
    with pytest.raises(CatalogueError, match=r"no device 'raspberry-pi-4'.*'raspberry-pi-4b'"):
        catalogue.device("raspberry-pi-4")
    with pytest.raises(CatalogueError, match=r"no link '4G'.*did you mean '4g'"):
        catalogue.link("4G")
    with pytest.raises(CatalogueError, match=r"no stack 'libtorhc'.*did you mean 'libtorch'"):
        catalogue.stack("libtorhc")


DEVICE = {
    "description": "a thing",
    "sources": ["somewhere"],
    "speed": {"value": "1 GFLOP/s", "status": "measured"},
}
LINK = {
    "description": "a wire",
    "sources": ["somewhere"],
    "up": {"value": "1 MB/s", "status": "measured"},
    "down": {"value": "1 MB/s", "status": "measured"},
    "delay": "unknown",
    "duplex": "full",
}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"sources": []}, "sources"),
        ({"speed": {"value": "1 GFLOP/s"}}, "status"),
        ({"speed": {"value": "1 GFLOP/s", "status": "guess"}}, "needs a note"),
        ({"speed": {"value": "1 GFLOP/s", "status": "sure"}}, "status"),
        ({"speed": None}, "give one of rates, scaled_from, speed"),
        ({"colour": "red"}, "colour"),
        (
            {"memory_bandwidth": {"value": "1 GB/s", "status": "measured"}},
            "not allowed together with speed",
        ),
        ({"rates": {}, "speed": None}, "with rates, .* must also be given"),
        ({"power_w": {"idle": {"value": -1, "status": "measured"}}}, "power_w"),
        ({"host_speed": {"value": 0.0, "status": "measured"}}, "host_speed"),
        (
            {"columns": {"forward": "1 GB/s", "backward": "1 GB/s", "status": "measured"}},
            "columns: not allowed together with speed",
        ),
    ],
)
def test_an_incomplete_device_is_refused(changes, problem):
    DeviceEntry.model_validate(DEVICE)
    with pytest.raises(ValidationError, match=problem):
        DeviceEntry.model_validate(DEVICE | changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"sources": []}, "sources"),
        ({"delay": None}, "delay"),
        ({"up": {"value": "1 MB/s", "status": "recalled"}}, "needs a note"),
        ({"duplex": "both"}, "duplex"),
    ],
)
def test_an_incomplete_link_is_refused(changes, problem):
    LinkEntry.model_validate(LINK)
    with pytest.raises(ValidationError, match=problem):
        LinkEntry.model_validate(LINK | changes)
    without_delay = {key: value for key, value in LINK.items() if key != "delay"}
    with pytest.raises(ValidationError, match="delay"):
        LinkEntry.model_validate(without_delay)


FACTOR = {"value": 1.0, "status": "measured"}
SECONDS = {"value": "1 ms", "status": "measured"}
STACK = {
    "description": "a program",
    "sources": ["somewhere"],
    "gemm_forward": FACTOR,
    "gemm_backward": FACTOR,
    "other": FACTOR,
    "loader_per_sample": SECONDS,
    "loop_per_iteration": SECONDS,
}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"sources": []}, "sources"),
        ({"other": {"value": 0.0, "status": "measured"}}, "other"),
        ({"other": {"value": 1.0}}, "status"),
        ({"gemm_forward": {"value": 1.0, "status": "derived"}}, "needs a note"),
        ({"speed": FACTOR}, "speed"),
    ],
)
def test_an_incomplete_stack_is_refused(changes, problem):
    StackEntry.model_validate(STACK)
    with pytest.raises(ValidationError, match=problem):
        StackEntry.model_validate(STACK | changes)
    without = {key: value for key, value in STACK.items() if key != "other"}
    with pytest.raises(ValidationError, match="other"):
        StackEntry.model_validate(without)
