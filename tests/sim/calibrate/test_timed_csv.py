"""Files of timed iterations: what a row means, and one message for each mistake."""

from dataclasses import replace
from pathlib import Path

import pytest

from cutlayer.models import model_cost
from cutlayer.sim.calibrate.timed_csv import TimedIteration, read_iterations
from cutlayer.sim.compute.stage import Stage
from cutlayer.sim.files.user_csv import MAX_ROWS, UserCsvError
from cutlayer.topologies import DeviceProfile, PassRates
from cutlayer.topologies.figures import COSTS, figures_of

HEADER = (
    "device,stack,model,input_shape,classes,part,cut,pass,batch_size,optimizer,seconds,weight\n"
)
BOARD = DeviceProfile(
    name="board",
    description="",
    rates={
        name: PassRates(rate * 1e9, 0.7e9 * rate)
        for rate, name in enumerate(
            (
                "conv_input",
                "conv",
                "pointwise",
                "linear",
                "depthwise",
                "norm",
                "elementwise",
                "pool",
            ),
            1,
        )
    },
    memory_bandwidth_bytes_per_s=2e9,
    optimizer_bytes_per_s=3e9,
    layer_overhead_s=1e-4,
    iteration_overhead_s=0.0,
    loader_s_per_iteration=0.0,
    memory_bytes=None,
    weight_bytes_per_s=1e9,
    weight_stream_bytes_per_s=PassRates(4e9, 5e9),
    column_bytes_per_s=PassRates(6e9, 7e9),
    optimizer_overhead_s=1e-5,
)


def rows(folder: Path, text: str) -> list[TimedIteration]:
    path = folder / "timed.csv"
    path.write_text(text, encoding="utf-8")
    return read_iterations(path)


def cost(row) -> float:
    """Return the seconds of a row's amounts on the board."""
    figures = figures_of(BOARD)
    return sum(
        amount * figures[name] if name in COSTS else amount / figures[name]
        for name, amount in row.amounts.items()
    )


def stage(blocks, slots: int = 0) -> Stage:
    return Stage(BOARD, [layer for block in blocks for layer in block.layers], slots)


def test_only_three_columns_are_needed(tmp_path):
    (one,) = rows(tmp_path, "model,batch_size,seconds\nlenet,20,0.5\n")
    assert (one.device, one.line, one.row.network, one.row.stack) == ("", 2, "lenet", "")
    assert (one.row.seconds, one.row.weight) == (0.5, 1.0)
    assert (one.row.batch_size, one.row.iterations) == (20, 1)
    assert one.row.what == "whole step"
    assert cost(one.row) == pytest.approx(stage(model_cost("lenet", 10)).train(20).seconds)


def test_all_columns_are_read_in_any_order_and_with_spaces(tmp_path):
    (one,) = rows(
        tmp_path,
        " seconds , weight,stack,device,optimizer,pass,cut,part,classes,input_shape,batch_size,model\n"
        " 2.5,0.2,mine, pi ,adam,forward,1, front,7,1x28x28, 4,lenet \n",
    )
    assert one.device == "pi"
    row = one.row
    assert (row.network, row.stack, row.seconds, row.weight) == ("lenet", "mine", 2.5, 0.2)
    # A pass alone has no loader and no loop.
    assert (row.batch_size, row.iterations, row.what) == (0, 0, "front forward")
    front = model_cost("lenet", 7, (1, 28, 28))[:1]
    assert cost(row) == pytest.approx(stage(front).forward(4).seconds)


@pytest.mark.parametrize(
    ("optimizer", "slots"), [("", 0), ("sgd", 0), ("sgd-momentum", 1), ("adam", 2), ("adamw", 2)]
)
@pytest.mark.parametrize(
    ("part", "cut", "first", "last"),
    [("", "", 0, 5), ("front", "2", 0, 2), ("back", "2", 2, 5), ("conv3", "", 2, 3)],
)
def test_a_step_of_a_part_takes_what_the_simulator_takes(
    tmp_path, optimizer, slots, part, cut, first, last
):
    (one,) = rows(tmp_path, HEADER + f",,vgg5,,,{part},{cut},step,12,{optimizer},1,\n")
    expected = stage(model_cost("vgg5", 10)[first:last], slots).train(12)
    assert cost(one.row) == pytest.approx(expected.seconds)


@pytest.mark.parametrize("pass_", ["forward", "backward"])
def test_a_pass_takes_what_the_simulator_takes(tmp_path, pass_):
    (one,) = rows(tmp_path, HEADER + f",,vgg5,,,,,{pass_},12,,1,\n")
    whole = stage(model_cost("vgg5", 10))
    work = whole.forward if pass_ == "forward" else whole.backward
    assert cost(one.row) == pytest.approx(work(12).seconds)


def test_finetuning_trains_only_the_weights_of_the_last_linear_layer(tmp_path):
    (one,) = rows(tmp_path, HEADER + ",,vgg5,,,,,finetune,12,sgd-momentum,1,\n")
    assert (one.row.batch_size, one.row.iterations) == (12, 1)
    blocks = model_cost("vgg5", 10)
    (last,) = blocks[-1].layers
    weights = replace(last, backward_flops=last.forward_flops)
    head = Stage(BOARD, [weights], 1)
    expected = stage(blocks).forward(12) + head.backward(12) + head.step()
    assert cost(one.row) == pytest.approx(expected.seconds)


def test_rows_keep_their_order_and_lines_and_blank_lines_are_skipped(tmp_path):
    text = "model,batch_size,seconds\nlenet,1,3\n\nvgg5,2,1\nlenet,1,2\n"
    found = rows(tmp_path, text)
    assert [(one.row.network, one.row.seconds, one.line) for one in found] == [
        ("lenet", 3, 2),
        ("vgg5", 1, 4),
        ("lenet", 2, 5),
    ]


def test_a_model_beside_the_file_is_found(tmp_path):
    (tmp_path / "timed_own.py").write_text(
        "from cutlayer.models.model import Model\nfrom torch import nn\n\n"
        "def net(classes, input_shape):\n"
        '    blocks = [("fc", nn.Sequential(nn.Flatten(), nn.Linear(12, classes)))]\n'
        '    return Model("net", blocks, input_shape, classes, feature_blocks=0)\n',
        encoding="utf-8",
    )
    (one,) = rows(tmp_path, HEADER + ",,timed_own:net,3x2x2,5,,,forward,2,,1,\n")
    assert one.row.amounts["rates.linear.forward"] == 2 * 2 * 12 * 5


def refused(folder: Path, text: str) -> str:
    with pytest.raises(UserCsvError) as error:
        rows(folder, text)
    said = str(error.value)
    assert "\n" not in said
    assert said.startswith(str(folder / "timed.csv"))
    return said.removeprefix(str(folder / "timed.csv"))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("model,batch_size,second", ":1: unknown column 'second'; did you mean 'seconds'"),
        ("model,batch_size", ":1: the column 'seconds' is missing"),
        ("batch_size,seconds", ":1: the column 'model' is missing"),
        ("model,seconds", ":1: the column 'batch_size' is missing"),
        ("model,batch_size,seconds,seconds", ":1: the column 'seconds' is written twice"),
        ('"model,batch_size,seconds', ":1: unexpected end of data"),
    ],
)
def test_a_wrong_header_is_named(tmp_path, header, said):
    assert refused(tmp_path, f"{header}\nlenet,1,1\n").startswith(said)


def test_a_file_without_rows_is_refused(tmp_path):
    assert refused(tmp_path, HEADER) == " has no rows"
    assert refused(tmp_path, "") in (" is empty", ":1: the column 'model' is missing")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UserCsvError, match=r"missing\.csv does not exist"):
        read_iterations(tmp_path / "missing.csv")
    (tmp_path / "timed.csv").write_bytes(b"model,batch_size,seconds\nlen\xff,1,1\n")
    with pytest.raises(UserCsvError, match=r"timed.csv is not text in UTF-8 .line 2"):
        read_iterations(tmp_path / "timed.csv")


def test_a_file_with_too_many_rows_is_refused(tmp_path, monkeypatch):
    assert MAX_ROWS == 10_000  # as documented
    monkeypatch.setattr("cutlayer.sim.files.user_csv.MAX_ROWS", 1_000)
    text = "model,batch_size,seconds\n" + "lenet,1,1\n" * 1_001
    assert refused(tmp_path, text) == " has more than 1,000 rows"


GOOD = {
    "device": "pi",
    "stack": "mine",
    "model": "lenet",
    "input_shape": "3x32x32",
    "classes": "10",
    "part": "front",
    "cut": "1",
    "pass": "step",
    "batch_size": "2",
    "optimizer": "sgd",
    "seconds": "1.0",
    "weight": "1",
}
WHOLE = "must be a whole number from 1 to 10^9"
POSITIVE = "must be a positive number below 10^9"


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("batch_size", "0", f"batch_size: {WHOLE} (got '0')"),
        ("batch_size", "2.5", f"batch_size: {WHOLE} (got '2.5')"),
        ("batch_size", "", f"batch_size: {WHOLE} (got '')"),
        ("batch_size", "\N{SUPERSCRIPT TWO}", f"batch_size: {WHOLE} (got '\N{SUPERSCRIPT TWO}')"),
        ("batch_size", "1" * 11, f"batch_size: {WHOLE} (got '{'1' * 11}')"),
        ("batch_size", "1" * 5000, f"batch_size: {WHOLE} (got '111"),
        ("seconds", "0", f"seconds: {POSITIVE} (got '0')"),
        ("seconds", "-1", f"seconds: {POSITIVE} (got '-1')"),
        ("seconds", "nan", f"seconds: {POSITIVE} (got 'nan')"),
        ("seconds", "inf", f"seconds: {POSITIVE} (got 'inf')"),
        ("seconds", "1 s", f"seconds: {POSITIVE} (got '1 s')"),
        ("seconds", "", f"seconds: {POSITIVE} (got '')"),
        ("weight", "0", f"weight: {POSITIVE} (got '0')"),
        ("pass", "steps", "pass: unknown pass 'steps'; did you mean 'step'"),
        ("optimizer", "adaam", "optimizer: unknown optimizer 'adaam'; did you mean 'adam'"),
        ("input_shape", "3x32xa", f"input_shape: {WHOLE} (got 'a')"),
        ("input_shape", "3,32,32", None),
        ("classes", "ten", f"classes: {WHOLE} (got 'ten')"),
        ("model", "lenett", "model: unknown model 'lenett'; did you mean 'lenet'"),
        ("model", "", "model: "),
        ("input_shape", "3x2x2", "model: "),
        ("cut", "0", f"cut: {WHOLE} (got '0')"),
        ("cut", "", f"cut: {WHOLE} (got '')"),
        ("cut", "5", "cut: must be from 1 to 4 (got 5)"),
        ("part", "conv9", "part: unknown part 'conv9'; did you mean 'conv"),
    ],
)
def test_a_wrong_cell_is_named_with_its_line(tmp_path, column, cell, said):
    cells = ",".join((GOOD | {column: cell}).values())
    text = f"{HEADER}{','.join(GOOD.values())}\n{cells}\n"
    found = refused(tmp_path, text)
    assert found.startswith(":3: ")
    assert found.removeprefix(":3: ").startswith(said or "has more cells than the header")


def test_a_row_with_more_cells_than_the_header_is_refused(tmp_path):
    said = refused(tmp_path, "model,batch_size,seconds\nlenet,1,1,1\n")
    assert said == ":2: has more cells than the header"


def test_a_row_with_fewer_cells_is_refused_by_the_first_that_is_missing(tmp_path):
    said = refused(tmp_path, "model,batch_size,seconds\nlenet,1\n")
    assert said == f":2: seconds: {POSITIVE} (got '')"


def test_an_open_quote_is_refused_with_its_line(tmp_path):
    said = refused(tmp_path, 'model,batch_size,seconds\nlenet,1,1\n"lenet,1,1\n')
    assert said == ":3: unexpected end of data"
