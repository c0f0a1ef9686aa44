"""What codecs cost in every method: bytes of messages, and computing at both ends."""

from typing import Final

import pytest
from tiny_runs import only, results

from cutlayer.models.block_cost import LayerCost
from cutlayer.models.quantise_cost import dequantise_costs, quantise_costs
from cutlayer.sim.log.intervals import Activity, Phase
from cutlayer.sim.methods.registry import METHODS
from cutlayer.sim.results.method import MethodResult

CODEC: Final = "codec={up: {int: {bits: 8}}, down: {int: {bits: 4}}}"
OPTIONS: Final = {  # one client at a time, so that other times do not change what is sent
    "ecofed": "{ecofed: {init: random, bits: null}}",
    "fedoptima": "{fedoptima: {in_flight: 1}}",
    "gas": "{gas: {in_flight: 1}}",
    "safsl": "{safsl: {in_flight: 1}}",
}


def run(method: str, *overrides: str) -> MethodResult:
    written = OPTIONS.get(method, method)
    return only(f"methods=[{written}]", "training.rounds=2", *overrides, executor="none")


ONE_CLIENT: Final = (  # a multicast to several is decoded by each of them, see below
    "topology.star.clients.0.count=1",
    "data.partition={sizes: [30]}",
    "data.train_samples=30",
)


def flops(result: MethodResult) -> float:
    return sum(float(kept.record.intervals.flops.sum()) for kept in result.kept)


def sent(result: MethodResult, activity: Activity, phase: Phase) -> int:
    """Payload of the messages of an activity in one direction, in bytes."""
    total = 0
    for kept in result.kept:
        rows = kept.record.intervals
        chosen = (rows.activity == activity) & (rows.phase == phase)
        total += int(rows.payload_bytes[chosen].sum())
    return total


def each(costs: tuple[LayerCost, ...]) -> int:
    """FLOPs for one value."""
    return sum(cost.forward_flops for cost in costs)


@pytest.mark.parametrize("method", METHODS)
def test_every_message_is_encoded_and_decoded_once(method: str) -> None:
    coded = {"up", "down"}.intersection(METHODS[method].sends)
    if not coded:
        assert flops(run(method)) > 0
        return
    section = CODEC if "down" in coded else CODEC.replace("{int: {bits: 4}}", "identity")
    clients = ONE_CLIENT if METHODS[method].multicasts else ()
    plain, other = run(method, *clients), run(method, *clients, section)
    assert len(plain.kept) == len(other.kept) == 2, "all rounds are kept"
    # From 32 to 8 bits, and from 32 to 4.
    up, down = (
        sent(plain, activity, phase) - sent(other, activity, phase)
        for activity, phase in (
            (Activity.ACTIVATION, Phase.UPLINK),
            (Activity.GRADIENT, Phase.DOWNLINK),
        )
    )
    values_up, values_down = up / 3, down / 3.5
    assert values_up > 0
    assert (values_down > 0) == ("down" in coded)
    expected = values_up * (each(quantise_costs(1, 8)) + each(dequantise_costs(1, 8)))
    expected += values_down * (each(quantise_costs(1, 4)) + each(dequantise_costs(1, 4)))
    assert flops(other) - flops(plain) == pytest.approx(expected, rel=1e-9)


def test_a_codec_does_not_touch_methods_that_send_no_activations() -> None:
    plain = only("methods=[classic_fl]", executor="none")
    both = "methods=[classic_fl, splitfed]"
    other = results(both, CODEC, executor="none")["classic_fl"]
    assert other.event_digest == plain.event_digest
    assert other.learning_digest == plain.learning_digest


@pytest.mark.parametrize("share", [None, 0.5, 1.0])
def test_a_multicast_is_encoded_once_and_decoded_by_every_client(share: float | None) -> None:
    """Two clients with two batches of 10: SFL-GA, or EPSL with this share of rows in one message."""
    method = "sfl_ga" if share is None else f"{{epsl: {{share: {share}}}}}"
    two = (
        "topology.star.clients.0.count=2",
        "data.partition={sizes: [20, 20]}",
        "data.train_samples=40",
        "training.batch_size=10",
    )
    plain, other = run(method, *two), run(method, *two, CODEC)
    values, rounds, steps = 6 * 14 * 14, 2, 2
    common = 10 if share is None else round(10 * share)
    encoded_up = rounds * steps * 2 * 10 * values
    encoded_down = rounds * steps * (common + 2 * (10 - common)) * values
    decoded_down = rounds * steps * 2 * 10 * values
    saved = sent(plain, Activity.GRADIENT, Phase.DOWNLINK) - sent(
        other, Activity.GRADIENT, Phase.DOWNLINK
    )
    assert saved == 3.5 * encoded_down, "the bytes of a multicast count once"
    expected = encoded_up * (each(quantise_costs(1, 8)) + each(dequantise_costs(1, 8)))
    expected += encoded_down * each(quantise_costs(1, 4))
    expected += decoded_down * each(dequantise_costs(1, 4))
    assert flops(other) - flops(plain) == pytest.approx(expected, rel=1e-9)


def test_peers_encode_nothing_of_their_own() -> None:
    """A peer that has the server block of its own client sends it no messages."""
    topology = (
        "topology.star.clients=[{device: raspberry-pi-3b-plus, count: 2, link: 4g, name: weak},"
        " {device: jetson-nano, count: 1, link: 4g, name: strong}]"
    )
    method = "methods=[{splitfed: {edges: {peers: strong}}}]"
    plain = only(method, topology, executor="none")
    other = only(method, topology, CODEC, executor="none")
    up, down = (
        sum(sent(one, activity, phase) * sign for one, sign in ((plain, 1), (other, -1)))
        for activity, phase in (
            (Activity.ACTIVATION, Phase.UPLINK),
            (Activity.GRADIENT, Phase.DOWNLINK),
        )
    )
    expected = up / 3 * (each(quantise_costs(1, 8)) + each(dequantise_costs(1, 8)))
    expected += down / 3.5 * (each(quantise_costs(1, 4)) + each(dequantise_costs(1, 4)))
    assert flops(other) - flops(plain) == pytest.approx(expected, rel=1e-9)
