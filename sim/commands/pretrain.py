"""`cutlayer pretrain`: make a device block for EcoFed."""

import math
from pathlib import Path

import torch
from rich.console import Console

import models.catalogue
from models.pretrained import WeightsError
from sim.commands.errors import UsageError
from sim.learning.datasets import describe, load
from sim.pretrain import PretrainRecipe, pretrain


def pretrain_command(
    recipe: PretrainRecipe,
    dataset: str,
    out: Path,
    data_dir: Path | None,
    train_samples: int | None,
    test_samples: int | None,
    threads: int,
) -> None:
    """Train and save, a line per epoch; refuses what cannot work before it begins."""
    torch.set_num_threads(threads)
    if not 0 < recipe.lr < math.inf:
        raise UsageError(f"pretrain: --lr must be greater than 0 and finite (got {recipe.lr})")
    if not recipe.momentum < 1:
        raise UsageError(f"pretrain: --momentum must be less than 1 (got {recipe.momentum})")
    if not math.isfinite(recipe.weight_decay):
        raise UsageError(f"pretrain: --weight-decay must be finite (got {recipe.weight_decay})")
    if out.exists():
        raise WeightsError(f"--out {out} exists; name a new file")
    if not out.parent.is_dir():
        raise WeightsError(f"--out {out}: the folder {out.parent} does not exist")
    info = describe(dataset, train_samples=train_samples, test_samples=test_samples)
    network = models.catalogue.build(
        recipe.network, classes=info.classes, input_shape=info.input_shape, seed=0, device="meta"
    )
    if recipe.blocks is not None:
        network.split(recipe.blocks)
    for option, number in (("--batch-size", recipe.batch_size), ("samples", info.train_samples)):
        if number < network.min_batch:
            raise UsageError(
                f"pretrain: {option} must be at least {network.min_batch}, since BatchNorm of "
                f"{recipe.network} needs it (got {number})"
            )
    loaded = load(info, data_dir)
    console = Console()

    def epoch_done(epoch: int, loss: float, lr: float) -> None:
        console.print(f"epoch {epoch}/{recipe.epochs}: loss {loss:.4f}, lr {lr:g}")

    accuracy = pretrain(recipe, loaded, out, epoch_done)
    if accuracy is not None:
        console.print(f"test accuracy {accuracy:.1%}")
    console.print(f"saved: {out}", soft_wrap=True, highlight=False)
