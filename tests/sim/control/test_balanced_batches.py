"""`balanced_batches`: clients of different speed finish together."""

import pytest
from small_scenarios import read

from cutlayer.sim.run.run import run

FLEET = """\
name: fleet
data: {dataset: cifar10, train_samples: 3000, partition: {sizes: 500}}
model: {name: vgg5, cut: 2}
training: {rounds: 8, batch_size: 50, optimizer: {name: sgd, lr: 0.01, momentum: 0.9}}
topology:
  star:
    server: {device: server-8-core, slots: 4}
    clients:
      - {device: jetson-nano, link: {up: 1 Gbit/s, down: 1 Gbit/s, delay: 0 ms}}
      - {device: raspberry-pi-4b, link: {up: 1 Gbit/s, down: 1 Gbit/s, delay: 0 ms}}
      - {device: raspberry-pi-3b-plus, link: {up: 1 Gbit/s, down: 1 Gbit/s, delay: 0 ms}}
methods: [classic_fl]
"""


@pytest.mark.parametrize("method", ["classic_fl", "splitfed", "local_loss"])
def test_clients_finish_together(method: str) -> None:
    def barrier_share(control: str) -> tuple[float, dict[str, int]]:
        loaded = read(FLEET, f"methods=[{method}]", f"control={control}")
        played = run(loaded, executor="none")[0].methods[method]
        last = played.rounds[-1]
        return last.barrier_s / last.round_time_s, {
            r.client: r.batch_size for r in played.decisions
        }

    fixed, _ = barrier_share("fixed")
    balanced, sizes = barrier_share("balanced_batches")
    assert fixed > 0.3
    assert balanced < 0.1
    assert sizes["jetson-nano-0"] == 50
    assert sizes["jetson-nano-0"] > sizes["raspberry-pi-4b-0"] > sizes["raspberry-pi-3b-plus-0"] > 0


def test_batches_have_a_smallest_size() -> None:
    loaded = read(FLEET, "control={balanced_batches: {smallest: 20}}")
    (result,) = run(loaded, executor="none")
    assert min(row.batch_size for row in result.methods["classic_fl"].decisions) == 20


def test_batches_are_large_enough_for_the_model() -> None:
    """BatchNorm on one value per channel needs two samples; the slow client's share would be one."""
    speeds = ("devices={slow: {speed: 1 GFLOP/s}, fast: {speed: 1 TFLOP/s}}",)
    links = "link: {up: 1 Gbit/s, down: 1 Gbit/s, delay: 0 ms}"
    groups = f"topology.star.clients=[{{device: slow, {links}}}, {{device: fast, {links}}}]"
    sizes = ("data.partition={sizes: 50}", "data.train_samples=100")
    model = ("model={name: resnet18, cut: 1}", "training.rounds=3", "training.batch_size=10")
    loaded = read(FLEET, *speeds, groups, *sizes, *model, "control=balanced_batches")
    (result,) = run(loaded, executor="none")
    rows = result.methods["classic_fl"].decisions
    assert {row.batch_size for row in rows if row.client == "slow-0"} == {10, 2}


def test_equal_clients_keep_their_batches() -> None:
    groups = "topology.star.clients=[{device: raspberry-pi-4b, count: 3, link: 4g}]"
    (result,) = run(read(FLEET, groups, "control=balanced_batches"), executor="none")
    assert {row.batch_size for row in result.methods["classic_fl"].decisions} == {50}
