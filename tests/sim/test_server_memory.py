"""What the server must hold, by hand, and what happens where it cannot."""

import pytest
from command_line import CommandLine, assert_refused

from sim import load_scenario
from sim.preview import server_memory
from sim.semantics import plan_checked
from sim.setup import options_of


@pytest.fixture
def plan_of(cutlayer: CommandLine):
    def made(method: str, *overrides: str):
        overrides = (f"methods=[{method}]", *overrides)
        return plan_checked(load_scenario(cutlayer.folder / "tiny.yaml", overrides), trains=False)[
            0
        ]

    return made


def needed(plan) -> int:
    return server_memory(plan, *options_of(plan.scenario.methods[0]))


def block_bytes(plan, cut: int) -> int:
    """Weights, gradients and momentum of a server block."""
    return 3 * 4 * sum(block.parameters for block in plan.server_block(cut))


def running_bytes(plan, cut: int) -> int:
    blocks = plan.server_block(cut)
    return 10 * (blocks[0].input_bytes + sum(b.saved_activation_bytes for b in blocks))


def network_bytes(plan) -> int:
    return 4 * sum(block.parameters for block in plan.device_block(len(plan.blocks)))


def test_splitfed_has_a_replica_for_every_client_and_activations_for_every_slot(plan_of):
    plan = plan_of("splitfed")  # two clients a round, one slot
    expected = 2 * block_bytes(plan, 1) + running_bytes(plan, 1) + 2 * network_bytes(plan)
    assert needed(plan) == expected
    both = plan_of("splitfed", "topology.star.server.slots=8")
    assert needed(both) == expected + running_bytes(plan, 1)


def test_split_learning_has_one_block(plan_of):
    plan = plan_of("split_learning")
    expected = block_bytes(plan, 1) + running_bytes(plan, 1) + 2 * network_bytes(plan)
    assert needed(plan) == expected


def test_classic_fl_has_the_network_and_the_sum(plan_of):
    plan = plan_of("classic_fl")
    assert needed(plan) == 2 * network_bytes(plan)


@pytest.mark.parametrize(
    ("options", "per_value"),
    [("", 1), (", bits: null", 4), (", bits: 4", 0.5), (", period: 1", None)],
)
def test_ecofed_keeps_the_activations_of_all_clients(plan_of, options, per_value):
    plain = needed(plan_of("splitfed"))
    plan = plan_of(f"{{ecofed: {{init: random{options}}}}}")
    values = 1
    for side in plan.network.activation_shape(1):
        values *= side
    buffers = 0 if per_value is None else 60 * (values * per_value + 8)
    assert needed(plan) == plain + buffers


def test_fedgkt_without_weights_collects_features_for_one_block(plan_of):
    with_weights = needed(plan_of("fedgkt"))
    assert with_weights == needed(plan_of("splitfed"))
    plan = plan_of("{fedgkt: {exchange_weights: false}}")
    values = 1
    for side in plan.network.activation_shape(1):
        values *= side
    expected = block_bytes(plan, 1) + running_bytes(plan, 1) + 2 * network_bytes(plan)
    assert needed(plan) == expected + 40 * (4 * values + 8)


def test_a_server_that_is_too_small_is_refused(cutlayer: CommandLine):
    small = "devices={box: {speed: 9 GFLOP/s, memory: 1 MB}}"
    answer = cutlayer.run(small, "topology.star.server.device=box", "methods=[splitfed]")
    assert_refused(answer, "methods.0", "splitfed needs", "on the server, a box, which has 1 MB")
    assert (
        cutlayer.run(
            small.replace("1 MB", "1 GB"), "topology.star.server.device=box", "methods=[splitfed]"
        ).code
        == 0
    )
