"""`cutlayer pretrain`: make a device block for EcoFed."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch

import cutlayer.models.catalogue
from cutlayer.errors import UserError
from cutlayer.sim.commands.console import make_console
from cutlayer.sim.data.datasets import describe, load
from cutlayer.sim.files.atomic import check_output_file
from cutlayer.sim.learning.pretrain import PretrainRecipe, pretrain, spec_of


@dataclass(frozen=True)
class DataChoice:
    """Which samples of which data set to train on, and where they lie."""

    dataset: str
    train_samples: int | None = None
    test_samples: int | None = None
    test_fraction: float | None = None
    data_dir: Path | None = None


def pretrain_command(
    recipe: PretrainRecipe, data: DataChoice, out: Path, threads: int, *, force: bool
) -> None:
    """Train and save, printing a line per epoch; check the options first."""
    torch.set_num_threads(threads)
    if not 0 < recipe.lr < math.inf:
        raise UserError(f"pretrain: --lr must be greater than 0 and finite (got {recipe.lr})")
    if not recipe.momentum < 1:
        raise UserError(f"pretrain: --momentum must be less than 1 (got {recipe.momentum})")
    if not math.isfinite(recipe.weight_decay):
        raise UserError(f"pretrain: --weight-decay must be finite (got {recipe.weight_decay})")
    check_output_file(out, "--out", force=force)
    info = describe(
        data.dataset,
        train_samples=data.train_samples,
        test_samples=data.test_samples,
        test_fraction=data.test_fraction,
        seed=recipe.seed,
    )
    if not info.has_classes:
        raise UserError(f"pretrain: a data set with classes is needed, and {info.name} has none")
    spec = spec_of(recipe.model, info)
    model = cutlayer.models.catalogue.build(spec, seed=0, device="meta")
    if recipe.blocks is not None:
        model.split(recipe.blocks)
    for option, number in (("--batch-size", recipe.batch_size), ("samples", info.train_samples)):
        if number < model.min_batch:
            raise UserError(
                f"pretrain: {option} must be at least {model.min_batch}, since BatchNorm of "
                f"{recipe.model} needs it (got {number})"
            )
    loaded = load(info, data.data_dir)
    console = make_console()
    if not info.has_test and data.test_fraction is None:
        console.say(
            f"warning: {info.name} has no test split of its own, so this trains on samples that a "
            "scenario may test on; give --test-fraction and the scenario's --seed to leave them out",
        )

    def epoch_done(epoch: int, loss: float, lr: float) -> None:
        console.print(f"epoch {epoch}/{recipe.epochs}: loss {loss:.4f}, lr {lr:g}")

    accuracy = pretrain(recipe, loaded, out, epoch_done, replace=force)
    if accuracy is not None:
        console.print(f"test accuracy {accuracy:.1%}")
    console.say(f"saved: {out}")
