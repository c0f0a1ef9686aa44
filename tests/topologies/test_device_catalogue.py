"""The catalogue: complete, well-formed, and in agreement with its measurements."""

from importlib.resources import files
from itertools import pairwise

import pytest
import yaml
from pydantic import ValidationError

from cutlayer.models.features import OP_CLASSES, PASSES
from cutlayer.topologies import CatalogueError, catalogue
from cutlayer.topologies.catalogue.schema import DeviceEntry, LinkEntry

FIGURES = (
    "memory_bandwidth_bytes_per_s",
    "optimizer_bytes_per_s",
    "layer_overhead_s",
    "iteration_overhead_s",
    "loader_s_per_iteration",
)
# VGG19's convolutions on the maps of its published code: channels in and out, map, how many.
VGG19 = [(64, 64, 32, 1), (64, 128, 17, 1), (128, 128, 17, 1), (128, 256, 9, 1), (256, 256, 9, 3)]
VGG19 += [(256, 512, 5, 1), (512, 512, 5, 3), (512, 512, 3, 4)]
VGG19_LINEAR = 25088 * 4096 + 4096 * 4096 + 4096 * 10
VGG19_PARAMETERS = 139_611_210
BATCH = 128


@pytest.mark.parametrize("name", catalogue.device_names())
def test_a_device_is_complete(name):
    device = catalogue.device(name)
    assert device.name == name
    assert device.description
    assert device.sources
    for op_class in OP_CLASSES:
        for pass_ in PASSES:
            for map_size in (1, 2, 7, 32, 224):
                assert 0 < device.rate(op_class, pass_, map_size) < 1e12
    stated = {"rates"} if device.coarse else {f"rates.{key}" for key in device.rates} | {*FIGURES}
    stated |= {f"power_w.{state}" for state in device.power_w}
    if device.memory_bytes is not None:
        stated.add("memory_bytes")
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


@pytest.mark.parametrize("file", ["devices.yaml", "links.yaml"])
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


def vgg19_seconds(device, pass_):
    inputs = 2 * 9 * 3 * 64 * 32**2 * BATCH
    seconds = inputs / device.rate("conv_input", pass_, 32)
    passes = 1 if pass_ == "forward" else 2
    for channels_in, channels_out, map_size, count in VGG19:
        flops = 2 * 9 * channels_in * channels_out * map_size**2 * BATCH * count * passes
        seconds += flops / device.rate("conv", pass_, map_size)
    return seconds + 2 * VGG19_LINEAR * BATCH * passes / device.rate("linear", pass_, 1)


@pytest.mark.parametrize(
    ("name", "forward_s", "backward_s", "optimizer_s"),
    [
        ("raspberry-pi-4b", 9.52, 59.76, 2.63),
        ("raspberry-pi-3b-plus", 9.52 * 2.3, 59.76 * 2.3, 2.63 * 2.3),
        ("server-8-core", 0.85, 3.00, 0.15),
        ("laptop-8-core", 0.54, 2.01, 0.13),
    ],
)
def test_a_device_reproduces_the_vgg19_it_was_derived_from(
    name, forward_s, backward_s, optimizer_s
):
    device = catalogue.device(name)
    assert vgg19_seconds(device, "forward") == pytest.approx(forward_s, rel=0.01)
    assert vgg19_seconds(device, "backward") == pytest.approx(backward_s, rel=0.01)
    adam = 7 * 4 * VGG19_PARAMETERS
    assert device.optimizer_seconds(adam, 0) == pytest.approx(optimizer_s, rel=0.01)


def test_convolutions_on_small_maps_are_slow_backwards():
    table = catalogue.device("raspberry-pi-4b").rates["conv"].backward
    slower = [table[size] for size in sorted(table, reverse=True) if size <= 17]
    assert all(larger > smaller for larger, smaller in pairwise(slower))
    assert table[17] / table[2] > 9


def test_the_jetson_reproduces_the_vgg5_it_was_derived_from():
    device = catalogue.device("jetson-nano")
    assert device.coarse
    flops = 2 * (3 * 8_488_192 - 9 * 3 * 32 * 32 * 32) * 100
    assert device.seconds("conv", "forward", 32, flops, 0) == pytest.approx(0.116, rel=0.02)


def test_a_scaled_device_inherits_figures_and_doubts_but_neither_memory_nor_power():
    slow, fast = catalogue.device("raspberry-pi-4b"), catalogue.device("raspberry-pi-5")
    assert fast.rate("depthwise", "forward", 8) == 2 * slow.rate("depthwise", "forward", 8)
    assert fast.memory_bandwidth_bytes_per_s == 2 * slow.memory_bandwidth_bytes_per_s
    assert fast.layer_overhead_s == slow.layer_overhead_s / 2
    assert fast.status["rates.norm"] == "guess"
    assert fast.status["rates.conv"] == "derived"
    assert fast.notes["rates.conv"].startswith("scaled from raspberry-pi-4b: geometric mean")
    assert fast.memory_bytes == 8 * 2**30
    assert "idle" not in fast.power_w
    assert set(slow.sources) <= {*fast.sources}
    assert catalogue.device("server-8-core").memory_bytes is None


def test_links_of_the_papers():
    link = catalogue.link("4g")
    assert (link.up_bytes_per_s, link.down_bytes_per_s) == (1.25e6, 3.125e6)
    assert "delay_s" in link.unsure
    assert catalogue.link("fedcomm-3g-5").delay_s == 0.05
    assert catalogue.link("mpsl-8").delay_s is None
    assert catalogue.link("edpfl-hotspot").shared
    assert catalogue.link("us-5g").unsure == ("up_bytes_per_s", "down_bytes_per_s", "delay_s")


def test_an_unknown_name_is_refused_with_the_closest_one():
    with pytest.raises(CatalogueError, match=r"no device 'raspberry-pi-4'.*'raspberry-pi-4b'"):
        catalogue.device("raspberry-pi-4")
    with pytest.raises(CatalogueError, match=r"no link '4G'.*did you mean '4g'"):
        catalogue.link("4G")


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
