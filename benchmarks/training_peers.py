"""Other simulators on the work of benchmarks/training.py: pfl-research and Flower's simulation.

They are installed into a virtual environment of their own, and run there without Cutlayer. Model, data,
batches, optimizer, FedAvg, and the evaluation after each round are those of training_work.py;
participants and orders are drawn by the simulators' own samplers, so that their weights differ.
"""

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

PEERS = ("pfl", "flower")
REQUIREMENTS = ("pfl==0.6.0", "flwr[simulation]==1.42.0", "numpy<2.3")  # and this torch
SEED = 0


def environment(folder: Path) -> Path:
    """Return the Python of a virtual environment with the peers and this process's torch; make it."""
    import torch

    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        version = torch.__version__.partition("+")[0]
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", f"torch=={version}", *REQUIREMENTS],
            check=True,
        )
    return python


def train(name: str, folder: Path, rounds: int, mark: Callable[[], None]) -> float:
    """Train with a peer; return the last accuracy."""
    return {"pfl": _pfl, "flower": _flower}[name](folder, rounds, mark)


def _pfl(folder: Path, rounds: int, mark: Callable[[], None]) -> float:
    import numpy as np
    import torch
    import training_work as work
    from pfl.aggregate.simulate import SimulatedBackend
    from pfl.algorithm.base import NNAlgorithmParams
    from pfl.algorithm.federated_averaging import FederatedAveraging
    from pfl.callback.base import TrainingProcessCallback
    from pfl.callback.central_evaluation import CentralEvaluationCallback
    from pfl.data.dataset import Dataset
    from pfl.data.federated_dataset import FederatedDataset
    from pfl.data.sampling import get_user_sampler
    from pfl.hyperparam.base import NNEvalHyperParams, NNTrainHyperParams
    from pfl.metrics import Weighted
    from pfl.model.pytorch import PyTorchModel
    from torch.nn import functional

    class Trained(work.Plain):
        def loss(self, images: Any, labels: Any) -> Any:
            return functional.cross_entropy(self(work.inputs(images)), labels)

        def metrics(self, images: Any, labels: Any) -> dict[str, Any]:
            right = int((self(images).argmax(dim=1) == labels).sum())
            return {"accuracy": Weighted(right, len(labels))}

    loaded = work.Work(folder)
    draw = np.random.default_rng(SEED)
    np.random.seed(SEED)  # noqa: NPY002 - pfl samples users with it
    found: list[float] = []

    def shard(client: int) -> Any:
        rows = loaded.shards[client][torch.from_numpy(draw.permutation(work.SHARD))]
        return Dataset((loaded.images[rows], loaded.labels[rows]), user_id=str(client))

    class TrainsOnly(FederatedAveraging):
        """Does not evaluate clients in the first round, as the others do not."""

        def get_next_central_contexts(self, *arguments: Any, **named: Any) -> Any:
            contexts, *rest = super().get_next_central_contexts(*arguments, **named)
            return tuple(replace(one, do_evaluation=False) for one in contexts or ()) or None, *rest

    class Start(TrainingProcessCallback):
        def on_train_begin(self, *, model: Any) -> Any:
            mark()
            return super().on_train_begin(model=model)

        def after_central_iteration(self, metrics: Any, *_: Any, **__: Any) -> Any:
            found.extend(v for k, v in metrics.to_simple_dict().items() if "accuracy" in k.lower())
            return False, type(metrics)()

    module = Trained().to(memory_format=torch.channels_last)
    module.load_state_dict(loaded.initial)
    model = PyTorchModel(
        module,
        local_optimizer_create=torch.optim.SGD,
        central_optimizer=torch.optim.SGD(module.parameters(), lr=1.0),
    )
    data = FederatedDataset(shard, get_user_sampler("minimize_reuse", list(range(work.CLIENTS))))
    test = Dataset((torch.cat(loaded.test_inputs), loaded.test_labels))
    TrainsOnly().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=rounds,
            evaluation_frequency=1,
            train_cohort_size=work.PER_ROUND,
            val_cohort_size=0,
        ),
        backend=SimulatedBackend(training_data=data, val_data=None),
        model=model,
        model_train_params=NNTrainHyperParams(
            local_batch_size=work.BATCH, local_num_epochs=1, local_learning_rate=work.LR
        ),
        model_eval_params=NNEvalHyperParams(local_batch_size=work.EVALUATION_BATCH),
        callbacks=[
            CentralEvaluationCallback(
                test, model_eval_params=NNEvalHyperParams(local_batch_size=work.EVALUATION_BATCH)
            ),
            Start(),
        ],
    )
    return found[-1] if found else float("nan")


def _flower(folder: Path, rounds: int, mark: Callable[[], None]) -> float:
    os.environ.update(RAY_DISABLE_DOCKER_CPU_WARNING="1", FLWR_TELEMETRY_ENABLED="0")
    import torch
    import training_work as work
    from flwr.client import ClientApp, NumPyClient
    from flwr.common import ndarrays_to_parameters
    from flwr.server import ServerApp, ServerAppComponents, ServerConfig
    from flwr.server.strategy import FedAvg
    from flwr.simulation import run_simulation

    def client_app() -> Any:
        def make(context: Any) -> Any:
            return Client(int(context.node_config["partition-id"])).to_client()

        return ClientApp(client_fn=make)

    class Client(NumPyClient):  # type: ignore[misc]
        def __init__(self, client: int) -> None:
            self.client = client

        def fit(self, parameters: Any, config: dict[str, Any]) -> Any:
            loaded, model, names = _of_this_process(folder)
            weights = dict(zip(names, map(torch.from_numpy, parameters), strict=True))
            seed = 1000 * int(config["round"]) + self.client
            order = torch.randperm(work.SHARD, generator=torch.Generator().manual_seed(seed))
            trained = work.train(model, weights, loaded, self.client, order)
            return [value.numpy() for value in trained.values()], work.SHARD, {}

    found: list[float] = []
    loaded, model, names = _of_this_process(folder)

    def evaluate(number: int, parameters: Any, _: Any) -> Any:
        if number == 0:  # before the first round
            mark()
            return None
        weights = dict(zip(names, map(torch.from_numpy, parameters), strict=True))
        batches = range(work.TESTED // work.EVALUATION_BATCH)
        found.append(work.correct(model, weights, loaded, batches) / work.TESTED)
        return 0.0, {}

    def server(_: Any) -> Any:
        strategy = FedAvg(
            fraction_fit=work.PER_ROUND / work.CLIENTS,
            fraction_evaluate=0.0,
            min_available_clients=work.CLIENTS,
            on_fit_config_fn=lambda number: {"round": number},
            evaluate_fn=evaluate,
            initial_parameters=ndarrays_to_parameters([v.numpy() for v in loaded.initial.values()]),
        )
        return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=rounds))

    run_simulation(
        server_app=ServerApp(server_fn=server),
        client_app=client_app(),
        num_supernodes=work.CLIENTS,
        backend_config={"client_resources": {"num_cpus": 1}, "init_args": {"num_cpus": 2}},
    )
    return found[-1]


_kept: dict[Path, Any] = {}


def _of_this_process(folder: Path) -> Any:
    """Return the work, a model and the names of its weights, loaded once in each process."""
    import training_work as work

    if folder not in _kept:
        work.prepare_process()
        loaded = work.Work(folder)
        _kept[folder] = loaded, work.new_model(), list(loaded.initial)
    return _kept[folder]


if __name__ == "__main__":
    print(environment(Path(sys.argv[1])))
