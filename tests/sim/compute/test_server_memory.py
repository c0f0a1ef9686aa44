"""The server's memory, computed by hand, and the refusal of a server that is too small."""

from math import prod

import pytest
from command_line import CommandLine, assert_refused

from cutlayer import load_scenario
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.memory import memory_by_device, server_memory
from cutlayer.sim.compute.memory import training_bytes
from cutlayer.sim.methods.registry import METHODS, options_of


@pytest.fixture
def plan_of(cli: CommandLine):
    def made(method: str, *overrides: str):
        overrides = (f"methods=[{method}]", *overrides)
        return plan_checked(load_scenario(cli.folder / "tiny.yaml", overrides), trains=False)[0]

    return made


def needed(plan) -> int:
    return server_memory(plan, *options_of(plan.scenario.methods[0]))


def block_bytes(plan, cut: int) -> int:
    """Return the bytes of weights, gradients and momentum of a server block."""
    return 3 * 4 * sum(block.parameters for block in plan.blocks[cut:])


def running_bytes(plan, cut: int) -> int:
    blocks = plan.blocks[cut:]
    return 10 * (blocks[0].input_bytes + sum(b.saved_activation_bytes for b in blocks))


def model_bytes(plan) -> int:
    return 4 * sum(block.parameters for block in plan.blocks)


def test_splitfed_has_a_replica_for_every_client_and_activations_for_every_slot(plan_of):
    plan = plan_of("splitfed")  # two clients a round, one slot
    expected = 2 * block_bytes(plan, 1) + running_bytes(plan, 1) + 2 * model_bytes(plan)
    assert needed(plan) == expected
    both = plan_of("splitfed", "topology.star.server.slots=8")
    assert needed(both) == expected + running_bytes(plan, 1)


def test_split_learning_has_one_block(plan_of):
    plan = plan_of("split_learning")
    expected = block_bytes(plan, 1) + running_bytes(plan, 1) + 2 * model_bytes(plan)
    assert needed(plan) == expected


def test_classic_fl_has_the_model_and_the_sum(plan_of):
    plan = plan_of("classic_fl")
    assert needed(plan) == 2 * model_bytes(plan)


@pytest.mark.parametrize(
    ("aggregation", "moments"), [("fedavg", 0), ("fedavgm", 1), ("{fedadam: {lr: 0.1}}", 2)]
)
def test_an_aggregation_keeps_its_moments(plan_of, aggregation, moments):
    for method in ("classic_fl", "splitfed"):
        plain, plan = plan_of(method), plan_of(f"{{{method}: {{aggregation: {aggregation}}}}}")
        assert needed(plan) == needed(plain) + moments * model_bytes(plan)
    server = 4 * sum(block.parameters for block in plan.blocks[1:])
    plain = plan_of("{ecofed: {init: random}}")
    plan = plan_of(f"{{ecofed: {{init: random, aggregation: {aggregation}}}}}")
    assert needed(plan) == needed(plain) + moments * server


def test_a_device_of_fedprox_keeps_the_weights_that_it_received(plan_of):
    plan = plan_of("fedprox")
    (needs,) = memory_by_device(plan, METHODS["fedprox"]).values()
    (plain,) = memory_by_device(plan, METHODS["classic_fl"]).values()
    assert needs == plain + model_bytes(plan)


@pytest.mark.parametrize(
    ("options", "per_value"),
    [("", 1), (", bits: null", 4), (", bits: 4", 0.5), (", period: 1", None)],
)
def test_ecofed_keeps_the_activations_of_all_clients(plan_of, options, per_value):
    plain = needed(plan_of("splitfed"))
    plan = plan_of(f"{{ecofed: {{init: random{options}}}}}")
    values = prod(plan.model.activation_shape(1))
    buffers = 0 if per_value is None else 60 * (values * per_value + 8)
    assert needed(plan) == plain + buffers


def test_ecofed_keeps_what_can_have_been_uploaded_by_the_end_in_every_local_epoch(plan_of):
    plan = plan_of("{ecofed: {init: random}}")
    values = prod(plan.model.activation_shape(1))
    plain = needed(plan_of("splitfed"))
    one_upload_of_two = plan_of("{ecofed: {init: random}}", "training.rounds=2")
    assert needed(one_upload_of_two) == plain + 40 * (values + 8)
    both = plan_of("{ecofed: {init: random, upload_when_unbuffered: true}}", "training.rounds=2")
    assert needed(both) == plain + 60 * (values + 8)
    three = plan_of("{ecofed: {init: random}}", "training.local_epochs=3")
    assert needed(three) == plain + 3 * 60 * (values + 8)


def test_batches_that_do_not_occur_are_not_charged(plan_of):
    """Three clients of 20 samples: a batch of a million is one of 20."""
    for method in ("splitfed", "split_learning", "{fedgkt: {exchange_weights: false}}"):
        huge = plan_of(method, "training.batch_size=1000000")
        assert needed(huge) == needed(plan_of(method, "training.batch_size=20"))
        kind = options_of(huge.scenario.methods[0])[0]
        twenty = plan_of(method, "training.batch_size=20")
        assert memory_by_device(huge, kind) == memory_by_device(twenty, kind)
    centralised = plan_of("centralised", "training.batch_size=1000000")
    assert needed(centralised) == needed(plan_of("centralised", "training.batch_size=60"))


def test_a_device_is_charged_for_the_largest_batch_of_its_own_clients(plan_of):
    groups = "[{device: raspberry-pi-4b, count: 2, link: 4g}, {device: jetson-nano, link: 4g}]"
    sizes = "data.partition={sizes: [5, 30, 8]}"
    plan = plan_of("classic_fl", f"topology.star.clients={groups}", sizes, "training.batch_size=20")
    kind = options_of(plan.scenario.methods[0])[0]
    blocks = plan.blocks
    assert memory_by_device(plan, kind) == {
        "raspberry-pi-4b": training_bytes(blocks, 20, 1),
        "jetson-nano": training_bytes(blocks, 8, 1),
    }


def test_one_slot_is_charged_for_the_largest_and_two_for_the_two_largest(plan_of):
    sizes = ("data.partition={sizes: [5, 30, 8]}", "training.batch_size=20")
    per_sample = running_bytes(plan_of("splitfed"), 1) // 10
    one = plan_of("splitfed", *sizes, "training.clients_per_round=3")
    two = plan_of(
        "splitfed", *sizes, "training.clients_per_round=3", "topology.star.server.slots=2"
    )
    weights = 3 * block_bytes(one, 1) + 2 * model_bytes(one)
    assert needed(one) == weights + 20 * per_sample
    assert needed(two) == weights + (20 + 8) * per_sample


def test_fedgkt_without_weights_collects_features_for_one_block(plan_of):
    with_weights = needed(plan_of("fedgkt"))
    assert with_weights == needed(plan_of("splitfed"))
    plan = plan_of("{fedgkt: {exchange_weights: false}}")
    values = prod(plan.model.activation_shape(1))
    expected = block_bytes(plan, 1) + running_bytes(plan, 1) + 2 * model_bytes(plan)
    assert needed(plan) == expected + 40 * (4 * values + 8)


@pytest.mark.parametrize(
    ("method", "clients"),
    [
        ("splitfed", 2),  # of a round of two
        ("{ampere: {first_phase: 0}}", 3),  # all clients send in one round
        ("{ampere: {first_phase: 1}}", 0),  # and none before it
        ("{local_loss: {upload_every: 2}}", 2),
        ("{safsl: {in_flight: 1}}", 3),  # two updates in the window, and one in flight
        ("{fedoptima: {in_flight: 3, window: {every: 1 s}}}", 3),
    ],
)
def test_a_codec_keeps_values_of_all_clients_that_can_have_sent(plan_of, method, clients):
    short = "training.rounds=1"
    plain, plan = plan_of(method, short), plan_of(method, short, "codec={up: aq_sgd}")
    values = prod(plan.model.activation_shape(1))
    assert needed(plan) - needed(plain) == 4 * values * 20 * clients


def test_a_server_that_is_too_small_is_refused(cli: CommandLine):
    small = "devices={box: {speed: 9 GFLOP/s, memory: 1 MB}}"
    answer = cli.run(small, "topology.star.server.device=box", "methods=[splitfed]")
    assert_refused(answer, "methods.0", "splitfed needs", "on the server, a box, which has 1 MB")
    assert (
        cli.run(
            small.replace("1 MB", "1 GB"), "topology.star.server.device=box", "methods=[splitfed]"
        ).code
        == 0
    )
