"""Read timed iterations from a CSV file: from a board, a log or a paper.

Required columns: `model`, `batch_size` and `seconds`. Optional ones, with what an empty cell means:

- `part` (whole): whole, front, back (of the cut in the column `cut`), or the name of a block;
- `pass` (step): step, forward, backward, or finetune (all forward, the last linear layer backward);
- `input_shape` (3x32x32), `classes` (10), `optimizer` (sgd): sgd, sgd-momentum, adam or adamw;
- `stack`: the software stack; `device`: the device; `weight` (1): of the row's error in a fit.

A step includes the loader, the loop around it and the optimizer; forward and backward are passes alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from cutlayer.errors import UserError
from cutlayer.models.block_cost import BlockCost
from cutlayer.models.catalogue import UnknownModelError
from cutlayer.models.errors import CostError, ModelError
from cutlayer.models.outline import outline
from cutlayer.models.own_object import beside, looking_in
from cutlayer.models.spec import ModelSpec
from cutlayer.sim.calibrate.timed_rows import PARTS, TimedRow, iteration_amounts
from cutlayer.sim.files.user_csv import UserCsvError, UserRow, user_rows, whole
from cutlayer.topologies.text_file import TextFileError, read_text

MAX_BYTES: Final = 4 * 2**20
REQUIRED: Final = ("model", "batch_size", "seconds")
DEFAULTS: Final = {
    "part": "whole",
    "cut": "",
    "pass": "step",
    "input_shape": "3x32x32",
    "classes": "10",
    "optimizer": "sgd",
    "stack": "",
    "device": "",
    "weight": "1",
}
STATE_SLOTS: Final = {"sgd": 0, "sgd-momentum": 1, "adam": 2, "adamw": 2}


@dataclass(frozen=True)
class TimedIteration:
    """A row of the file: the `row` of a fit, and the device and line that it came from.

    `label` names what was timed; `pointwise` is the part of the row in pointwise convolutions.
    """

    row: TimedRow
    device: str
    line: int
    label: str
    pointwise: TimedRow


def read_iterations(path: Path) -> list[TimedIteration]:
    """Return the rows of a file in their order. Raises UserCsvError with one sentence."""
    try:
        text = read_text(path, MAX_BYTES)
    except TextFileError as error:
        raise UserCsvError(f"{path} {error}") from None
    with looking_in(beside(str(path))):
        return [_iteration(row) for row in user_rows(text, str(path), REQUIRED, list(DEFAULTS))]


def _iteration(given: UserRow) -> TimedIteration:
    filled = {name: given.cells[name] or default for name, default in DEFAULTS.items()}
    row = replace(given, cells=given.cells | filled)
    cell = row.cells
    batch_size, seconds = row.whole("batch_size"), row.positive("seconds")
    part = next(one for one in PARTS if one == row.one_of("pass", PARTS))
    slots = STATE_SLOTS[row.one_of("optimizer", list(STATE_SLOTS))]
    blocks = _blocks(row)
    amounts = iteration_amounts(blocks, part, batch_size, slots)
    if not any(amounts.values()):
        raise UserCsvError(
            f"{row.where}: {cell['part']} of {cell['model']} computes nothing in the pass {part}"
        )
    whole_iteration = part in ("step", "finetune")
    timed = TimedRow(
        network=cell["model"],
        stack=cell["stack"],
        what=f"{cell['part']} {part}",
        seconds=seconds,
        amounts=amounts,
        batch_size=batch_size if whole_iteration else 0,
        iterations=int(whole_iteration),
        weight=row.positive("weight"),
    )
    pointwise = replace(
        timed,
        amounts=iteration_amounts([_pointwise(block) for block in blocks], part, batch_size, slots),
        batch_size=0,
        iterations=0,
    )
    where = f" at cut {cell['cut']}" if cell["part"] in ("front", "back") else ""
    what = "" if cell["part"] == "whole" else f" {cell['part']}{where}"
    what += "" if part == "step" else f" {part}"
    label = f"{cell['model']}{what}, batch {batch_size}"
    return TimedIteration(timed, cell["device"], row.line, label, pointwise)


def _pointwise(block: BlockCost) -> BlockCost:
    """Return a block with its pointwise convolutions only."""
    return replace(block, layers=tuple(one for one in block.layers if one.op_class == "pointwise"))


def _blocks(row: UserRow) -> Sequence[BlockCost]:
    """Return the blocks of the model that a row timed."""
    cell, where = row.cells, row.where
    shape = tuple(whole(side, f"{where}: input_shape") for side in cell["input_shape"].split("x"))
    classes = row.whole("classes")
    try:
        blocks = outline(ModelSpec(cell["model"], classes, shape)).blocks
    except UnknownModelError as error:
        hint = "see `cutlayer list models` and `cutlayer show MODEL`"
        raise UserCsvError(f"{where}: model: {error}; {hint}") from None
    except (ModelError, CostError, UserError) as error:
        raise UserCsvError(f"{where}: model: {error}") from None
    names = [block.name for block in blocks]
    part = row.one_of("part", ("whole", "front", "back", *names))
    if part == "whole":
        return blocks
    if part in names:
        return [blocks[names.index(part)]]
    cut = row.whole("cut")
    if cut >= len(blocks):
        raise UserCsvError(f"{where}: cut: must be from 1 to {len(blocks) - 1} (got {cut})")
    return blocks[:cut] if part == "front" else blocks[cut:]
