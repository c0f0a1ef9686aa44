"""Read timed iterations from a CSV file: from a board, a log or a paper.

Required columns: `model`, `batch_size` and `seconds`. Optional ones, with what an empty cell means:

- `part` (whole): whole, front, back (of the cut in the column `cut`), or the name of a block;
- `pass` (step): step, forward, backward, or finetune (all forward, the last linear layer backward);
- `input_shape` (3x32x32), `classes` (10), `optimizer` (sgd): sgd, sgd-momentum, adam or adamw;
- `stack`: the software stack; `device`: the device; `weight` (1): of the row's error in a fit.

A step includes the loader, the loop around it and the optimizer; forward and backward are passes alone.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cutlayer.errors import UserError
from cutlayer.models.block_cost import BlockCost
from cutlayer.models.errors import CostError, ModelError
from cutlayer.models.outline import outline
from cutlayer.models.own_object import beside, looking_in
from cutlayer.sim.calibrate.timed_rows import PARTS, TimedRow, iteration_amounts
from cutlayer.suggestion import suggestion
from cutlayer.topologies.text_file import TextFileError, read_text

MAX_BYTES: Final = 4 * 2**20
MAX_ROWS: Final = 10_000
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


class TimedCsvError(UserError):
    """A file of timed iterations that cannot be read, or a row that makes no sense."""


@dataclass(frozen=True)
class TimedIteration:
    """A row of the file: the `row` of a fit, and the device and line that it came from."""

    row: TimedRow
    device: str
    line: int


def read_iterations(path: Path) -> list[TimedIteration]:
    """Return the rows of a file in their order. Raises TimedCsvError with one sentence."""
    try:
        text = read_text(path, MAX_BYTES)
    except TextFileError as error:
        raise TimedCsvError(f"{path} {error}") from None
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        columns = [name.strip() for name in reader.fieldnames or ()]
    except csv.Error as error:
        raise TimedCsvError(f"{path}:1: {error}") from None
    reader.fieldnames = columns
    known = (*REQUIRED, *DEFAULTS)
    for name in columns:
        if name not in known:
            raise TimedCsvError(f"{path}:1: unknown column {name!r}{suggestion(name, known)}")
        if columns.count(name) > 1:
            raise TimedCsvError(f"{path}:1: the column {name!r} is written twice")
    for name in REQUIRED:
        if name not in columns:
            raise TimedCsvError(f"{path}:1: the column {name!r} is missing")
    found = []
    with looking_in(beside(str(path))):
        try:
            for cells in reader:
                where = f"{path}:{reader.line_num}"
                found.append(_iteration(cells, reader.line_num, where))
                if len(found) > MAX_ROWS:
                    raise TimedCsvError(f"{path} has more than {MAX_ROWS:,} rows")
        except csv.Error as error:
            raise TimedCsvError(f"{path}:{reader.reader.line_num}: {error}") from None
    if not found:
        raise TimedCsvError(f"{path} has no rows")
    return found


def _iteration(cells: dict[str, str | None], line: int, where: str) -> TimedIteration:
    if None in cells:
        raise TimedCsvError(f"{where}: has more cells than the header")
    given = {name: (value or "").strip() for name, value in cells.items()}
    cell = {name: given.get(name) or default for name, default in DEFAULTS.items()}
    cell |= {name: given[name] for name in REQUIRED}
    batch_size = _whole(cell["batch_size"], f"{where}: batch_size")
    seconds = _positive(cell["seconds"], f"{where}: seconds")
    part = next((one for one in PARTS if one == cell["pass"]), None)
    if part is None:
        raise TimedCsvError(
            f"{where}: pass: unknown pass {cell['pass']!r}{suggestion(cell['pass'], PARTS)}"
        )
    if cell["optimizer"] not in STATE_SLOTS:
        close = suggestion(cell["optimizer"], STATE_SLOTS)
        raise TimedCsvError(f"{where}: optimizer: unknown optimizer {cell['optimizer']!r}{close}")
    blocks = _blocks(cell, where)
    whole_iteration = part in ("step", "finetune")
    row = TimedRow(
        network=cell["model"],
        stack=cell["stack"],
        what=f"{cell['part']} {part}",
        seconds=seconds,
        amounts=iteration_amounts(blocks, part, batch_size, STATE_SLOTS[cell["optimizer"]]),
        batch_size=batch_size if whole_iteration else 0,
        iterations=int(whole_iteration),
        weight=_positive(cell["weight"], f"{where}: weight"),
    )
    return TimedIteration(row, cell["device"], line)


def _blocks(cell: dict[str, str], where: str) -> Sequence[BlockCost]:
    """Return the blocks of the model that a row timed."""
    shape = tuple(_whole(side, f"{where}: input_shape") for side in cell["input_shape"].split("x"))
    classes = _whole(cell["classes"], f"{where}: classes")
    try:
        blocks = outline(cell["model"], classes=classes, input_shape=shape).blocks
    except (ModelError, CostError, UserError) as error:
        raise TimedCsvError(f"{where}: model: {error}") from None
    names = [block.name for block in blocks]
    if cell["part"] == "whole":
        return blocks
    if cell["part"] in ("front", "back"):
        cut = _whole(cell["cut"], f"{where}: cut")
        if not 0 < cut < len(blocks):
            raise TimedCsvError(f"{where}: cut: must be from 1 to {len(blocks) - 1} (got {cut})")
        return blocks[:cut] if cell["part"] == "front" else blocks[cut:]
    if cell["part"] not in names:
        known = ("whole", "front", "back", *names)
        close = suggestion(cell["part"], known)
        raise TimedCsvError(f"{where}: part: unknown part {cell['part']!r}{close}")
    return [blocks[names.index(cell["part"])]]


def _whole(text: str, where: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) <= 10
    if not (digits and 0 < int(text) <= 10**9):
        raise TimedCsvError(f"{where}: must be a whole number from 1 to 10^9 (got {text!r})")
    return int(text)


def _positive(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < 1e9:
        raise TimedCsvError(f"{where}: must be a positive number below 10^9 (got {text!r})")
    return value
