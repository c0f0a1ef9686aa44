"""The section `codec`: what is refused, and the memory that caches take."""

import pytest
from small_scenarios import read
from tiny_runs import TINY, tiny

from cutlayer.scenarios import ScenarioError
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.memory import memory_by_device, server_memory
from cutlayer.sim.methods.registry import options_of

D = 6 * 14 * 14  # values of an activation


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        ("{up: zip}", 'codec.up: has the unknown choice "zip"'),
        ("{up: {top_k: {}}}", "codec.up.top_k.share: is required"),
        ("{up: {int: {bits: 17}}}", "codec.up.int.bits: must be at most 16 (got 17)"),
        ("{up: kept}", 'codec.up: has the unknown choice "kept"'),
        ("{down: splitcom}", 'codec.down: has the unknown choice "splitcom"'),
        ("{down: kept}", "codec: down: kept needs an up codec that keeps places"),
        (
            "{up: {product_quantisation: {subvectors: 6, groups: 4, centroids: 2}}}",
            "codec.up.product_quantisation: needs groups that divide its subvectors (6)",
        ),
        (
            "{up: {product_quantisation: {subvectors: 11, centroids: 2}}}",
            f"codec.up.product_quantisation: needs subvectors that divide the {D} values of a sample",
        ),
    ],
)
def test_bad_codecs_are_refused_with_one_message(codec: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        plan_checked(read(TINY, f"codec={codec}"), trains=False)
    (problem,) = caught.value.problems
    assert message in str(problem)


@pytest.mark.parametrize(
    ("method", "codec", "message"),
    [
        (
            "classic_fl",
            "{up: fp16}",
            "codec.up: has no effect: no method of this scenario sends act",
        ),
        (
            "local_loss",
            "{down: fp16}",
            "codec.down: has no effect: no method of this scenario sends",
        ),
        (
            "{ecofed: {init: random}}",
            "{up: fp16}",
            "quantises activations itself: give it bits: null to use codec.up",
        ),
        (
            "sfl_ga",
            "{down: {aq_sgd: {bits: 4}}}",
            "sfl_ga sends one gradient to several clients, and codec.down depends on what each has kept:"
            " choose one that keeps nothing, such as int (got",
        ),
    ],
)
def test_codecs_that_a_method_cannot_use_are_refused(method: str, codec: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        plan_checked(tiny(f"methods=[{method}]", f"codec={codec}"), trains=False)
    (problem,) = caught.value.problems
    assert message in str(problem)


def memory(method: str, codec: str, *overrides: str) -> tuple[int, int]:
    """What a device and the server need beyond what they need without the codec."""
    needs = []
    for more in ((), (f"codec={codec}",)):
        plan = plan_checked(tiny(f"methods=[{method}]", *overrides, *more), trains=False)[0]
        kind, options = options_of(plan.scenario.methods[0])
        needs.append((*memory_by_device(plan, kind).values(), server_memory(plan, kind, options)))
    (device, server), (with_device, with_server) = needs
    return with_device - device, with_server - server


@pytest.mark.parametrize(
    ("codec", "device", "server"),
    [
        ("{up: {int: {bits: 4}}}", 0, 0),
        ("{up: {aq_sgd: {bits: 4}}}", 30, 60),
        ("{up: {low_rank: {rank: 2}}, down: {low_rank: {rank: 2}}}", 60, 120),
        ("{up: {splitcom: {share: 0.5}}, down: kept}", 30, 60),
        ("{up: {top_k: {share: 0.1, feedback: true}}}", 30, 0),
        ("{down: {top_k: {share: 0.1, feedback: true}}}", 0, 60),
    ],
)
def test_caches_take_memory_at_the_ends_that_keep_them(
    codec: str, device: int, server: int
) -> None:
    """Shards have 10, 20 and 30 samples; the largest counts on the device, all on the server."""
    assert memory("splitfed", codec) == (4 * D * device, 4 * D * server)


def test_the_server_keeps_values_of_clients_that_can_have_taken_part() -> None:
    few = "training.clients_per_round=1"
    codec = "{up: {aq_sgd: {bits: 4}}}"
    assert memory("splitfed", codec, few, "training.rounds=1") == (4 * D * 30, 4 * D * 30)
    assert memory("splitfed", codec, few, "training.rounds=2") == (4 * D * 30, 4 * D * 50)
    assert memory("classic_fl, splitfed", codec, few) == (0, 0), "the first method sends none"


def test_a_scenario_is_written_as_it_was_read() -> None:
    written = "{up: {rand_top_k: {share: 0.1}}, down: kept}"
    section = tiny(f"codec={written}").scenario.written()["codec"]
    assert section == {
        "up": {"rand_top_k": {"share": 0.1, "alpha": 0.1, "per": "sample", "bits": 16}},
        "down": {"kept": {"bits": 16}},
        "weights_up": {"identity": {}},
        "weights_down": {"identity": {}},
    }
    assert "codec" not in tiny().scenario.written()
