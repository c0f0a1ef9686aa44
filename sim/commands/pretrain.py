"""`cutlayer pretrain`: make a device block for EcoFed."""

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
    if recipe.lr <= 0:
        raise UsageError(f"pretrain: --lr must be greater than 0 (got {recipe.lr})")
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
    loaded = load(info, data_dir)
    console = Console()

    def epoch_done(epoch: int, loss: float, lr: float) -> None:
        console.print(f"epoch {epoch}/{recipe.epochs}: loss {loss:.4f}, lr {lr:g}")

    accuracy = pretrain(recipe, loaded, out, epoch_done)
    if accuracy is not None:
        console.print(f"test accuracy {accuracy:.1%}")
    console.print(f"saved: {out}", soft_wrap=True, highlight=False)
