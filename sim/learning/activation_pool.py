"""The server's training on a pool: the activations that all clients have uploaded once (Ampere)."""

from collections.abc import Sequence

import torch

from cutlayer.sim.data.batches import batch_indices
from cutlayer.sim.learning.chain import Batch
from cutlayer.sim.learning.chain_execution import ChainRun
from cutlayer.sim.learning.operations import Upload, server_step_detached
from cutlayer.sim.learning.state_key import ALL_CLIENTS, StateKey


def train_on_pool(run: ChainRun, batch: Batch, pool: Sequence[StateKey]) -> None:
    """Train the server block on a batch of the pool.

    `pool` are the states that hold it, each a list of uploads. An epoch goes through all of their
    samples in a new order, which is that of centralised training on as many samples.
    """
    uploads: list[Upload] = [upload for key in pool for upload in run.read(key)]
    ends = torch.tensor([len(labels) for _, labels in uploads]).cumsum(0)
    recipe = run.workspace.recipe
    order = batch_indices(
        int(ends[-1]),
        recipe.batch_size,
        seed=recipe.seed,
        client=ALL_CLIENTS,
        round_index=run.chain.round_index,
        epoch=batch.epoch,
        min_batch=recipe.min_batch,
    )
    positions = torch.from_numpy(order[batch.position])
    which = torch.searchsorted(ends, positions, right=True)
    first = torch.cat([ends.new_zeros(1), ends[:-1]])[which]
    places = list(zip(which.tolist(), (positions - first).tolist(), strict=True))
    activations = torch.stack([uploads[upload][0][row] for upload, row in places])
    labels = torch.stack([uploads[upload][1][row] for upload, row in places])
    own = run.workspace.converted(activations), labels
    server_step_detached(run, run.workspace.on_device(own))
