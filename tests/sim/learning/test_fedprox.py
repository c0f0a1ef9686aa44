"""FedProx: its gradient is that of the full loss, and without its term it is FedAvg."""

import pytest
import torch
from tiny_runs import Inside, key, keys, only
from torch import Tensor
from torch.nn import functional

from cutlayer.scenarios.numerics import Numerics
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.learning import Learning
from cutlayer.sim.learning.operations import train_proximal
from cutlayer.sim.learning.workspace import Workspace

STATISTICS = "model={name: 'own_models:statistics', cut: 2}"


@pytest.mark.parametrize("mu", [0.01, 0.7, 20.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_gradient_is_that_of_the_loss_with_the_term(mu: float, seed: int) -> None:
    """With SGD at rate 1, a step is minus the gradient; autograd finds that of the whole loss."""
    run = Inside(
        f"methods=[{{fedprox: {{mu: {mu}}}}}]",
        f"seed={seed}",
        "training.optimizer={name: sgd, lr: 1.0}",
        STATISTICS,
    )
    learning: Learning = run.method.world.learning
    workspace = Workspace(
        run.workspace.recipe,
        run.workspace.feed,
        dict(run.workspace.states),
        Numerics(dtype="float64"),
    )
    learning.executor.workspace = workspace  # type: ignore[union-attr]
    received = {k: v.clone() for k, v in workspace.states[key("device")].items()}
    draw = torch.Generator().manual_seed(seed)
    taken: dict[str, Tensor] = {}
    expected: dict[str, Tensor] = {}

    def move(chain: ChainRun) -> None:
        for weight in chain.replica("device").module.parameters():
            change = torch.randn(weight.shape, generator=draw, dtype=weight.dtype)
            weight.data.add_(change, alpha=0.01)

    def compare(chain: ChainRun, batch: Batch) -> None:
        module = chain.replica("device").module
        start = {name: weight.detach().clone() for name, weight in module.named_parameters()}
        images, labels = chain.batch(0, batch)
        leaves = {name: weight.clone().requires_grad_() for name, weight in start.items()}
        logits = torch.func.functional_call(module, leaves, (images,))
        loss = functional.cross_entropy(logits, labels)
        for name, leaf in leaves.items():
            loss = loss + mu / 2 * (leaf - received[name]).square().sum()
        gradients = torch.autograd.grad(loss, list(leaves.values()))
        expected.update(zip(leaves, gradients, strict=True))
        train_proximal(chain, 0, batch, mu)
        taken.update({n: start[n] - w.detach() for n, w in module.named_parameters()})

    parts = keys("device", "server")
    chain = learning.chain(0, 0, 10, reads=parts, averages=parts)
    chain.do(move)
    chain.do(compare, Batch(0, 0, 0, 8))
    learning.close_round()
    assert taken.keys() == expected.keys() != set()
    for name, step in taken.items():
        torch.testing.assert_close(step, expected[name], rtol=1e-10, atol=1e-12)
    assert all(not torch.equal(step, torch.zeros_like(step)) for step in taken.values())


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "rest",
    [
        (),
        ("training.optimizer={name: adam, lr: 0.002, weight_decay: 0.01}",),
        ("training.local_epochs=2", "training.optimizer_state=kept", STATISTICS),
    ],
    ids=["momentum", "adam", "kept"],
)
def test_without_its_term_it_is_fedavg(seed: int, rest: tuple[str, ...]) -> None:
    """The same weights and events; only the learning digest, which has the method's name, differs."""
    case = (*rest, f"seed={seed}", "training.rounds=3")
    classic = only("methods=[classic_fl]", *case)
    prox = only("methods=[{fedprox: {mu: 0}}]", *case)
    assert prox.weights_digest == classic.weights_digest
    assert prox.event_digest == classic.event_digest
    assert prox.learning_digest != classic.learning_digest


def test_a_heavy_term_keeps_the_weights_where_they_were() -> None:
    """The more the term weighs, the nearer a round ends to where it began."""
    distances = []
    for mu in (0.0, 1.0, 10.0):
        run = Inside(
            f"methods=[{{fedprox: {{mu: {mu}}}}}]",
            "training.optimizer={name: sgd, lr: 0.05}",
            "training.local_epochs=5",
        )
        before = run.states["device"]
        run.train(rounds=1)
        after = run.states["device"]
        distances.append(sum(float((after[n] - v).square().sum()) for n, v in before.items()))
    assert distances[0] > 1.1 * distances[1] > 1.21 * distances[2] > 0


def test_messages_and_bytes_are_those_of_classic_fl() -> None:
    classic, prox = (
        only(f"methods=[{name}]", executor="none") for name in ("classic_fl", "fedprox")
    )
    for one, other in zip(classic.rounds, prox.rounds, strict=True):
        assert (one.wire_up, one.wire_down) == (other.wire_up, other.wire_down)
        assert one.round_time_s < other.round_time_s < 1.1 * one.round_time_s
