"""One message holds every problem of a file: those that the schema finds, and those of the plan."""

import pytest
from command_line import TINY, CommandLine

from cutlayer.sim.run.run import load_scenario


def problem_lines(cli: CommandLine, text: str, command: str = "check") -> list[str]:
    (cli.folder / "s.yaml").write_text(text, encoding="utf-8")
    answer = cli(command, "s.yaml")
    assert answer.code == 2, answer
    assert answer.out == ""
    return answer.err.splitlines()


def line_of(text: str, part: str) -> int:
    return 1 + text[: text.index(part)].count("\n")


@pytest.mark.parametrize("command", ["check", "run", "explain"])
def test_a_cut_out_of_range_is_reported_beside_the_schemas_problems(
    command: str, cli: CommandLine
) -> None:
    text = TINY.replace("cut: 1", "cut: 9").replace("rounds: 3", "rounds: 0")
    text = text.replace("batch_size", "batchsize")
    assert problem_lines(cli, text, command) == [
        "s.yaml:4: model.cut: must be 0 (all on the server) to 5 (all on the device) for lenet (got 9)",
        "s.yaml:5: training.batch_size: is required (got nothing)",
        "s.yaml:6: training.rounds: must be at least 1 (got 0)",
        "s.yaml:8: training.batchsize: is an unknown key; did you mean 'batch_size'? (got 10)",
    ]


def test_memory_is_reported_beside_an_unknown_section_and_a_method(cli: CommandLine) -> None:
    text = TINY.replace("device: raspberry-pi-4b", "device: mine")
    text = text.replace("- splitfed\n", "- splitfed\n  - splitfet\n")
    text += "devices: {mine: {speed: 5 GFLOP/s, memory: 100 kB}}\nscales: {links: 2}\n"
    lines = problem_lines(cli, text)
    line = line_of(text, "- splitfed\n")
    assert lines[0].startswith(f"s.yaml:{line}: methods.0: splitfed needs ")
    assert lines[0].endswith('on a mine, which has 100 kB (cut 1) (got "splitfed")')
    assert lines[1].startswith(f"s.yaml:{line + 1}: methods.1: is not a known method; did you mean")
    assert lines[-1].startswith(f"s.yaml:{line_of(text, 'scales')}: scales: is an unknown key;")
    assert sum("which has 100 kB" in line for line in lines) == 2  # splitfed and ecofed


def test_data_that_do_not_fit_are_reported_beside_an_unknown_device(cli: CommandLine) -> None:
    text = TINY.replace("train_samples: 60", "train_samples: 61")
    text = text.replace("device: raspberry-pi-4b", "device: raspberry-pi-4")
    lines = problem_lines(cli, text)
    assert len(lines) == 2
    assert lines[0].startswith("s.yaml:3: data.dataset: ")
    assert "train_samples must be a multiple of the 10" in lines[0]
    assert "clients.0.device: is not a known device; did you mean 'raspberry-pi-4b'?" in lines[1]


def test_a_problem_of_one_part_does_not_hide_those_of_others(cli: CommandLine) -> None:
    text = TINY.replace("train_samples: 60", "train_samples: 61")
    text += "changes: [{at: 1 s, clients: nobody, up: 1 Mbit/s}]\n"
    lines = problem_lines(cli, text)
    assert len(lines) == 2
    assert "train_samples must be a multiple of the 10" in lines[0]
    assert "changes.0.clients" in lines[1]
    text = TINY + (
        "availability: [{clients: x, on_disconnect: drop, offline: [{from: 1 s, until: 2 s}]}]\n"
        "computing: [{clients: y, prefetch: true}]\n"
        "transports: [{clients: z, transport: tcp}]\n"
    )
    lines = problem_lines(cli, text.replace("cut: 1", "cut: 9"))
    assert [line.split(": ")[1] for line in lines] == [
        "model.cut",
        "availability.0.clients",
        "computing.0.clients",
        "transports.0.clients",
    ]


def test_no_problem_is_reported_for_stand_ins(cli: CommandLine) -> None:
    for text, words in (
        ("name: x\n", ["data", "model", "training", "topology", "methods"]),
        (TINY.replace("name: lenet, ", ""), ["model.name"]),
        (TINY.replace("dataset: digits, ", ""), ["data.dataset"]),
        (TINY.split("topology:")[0] + "methods: [splitfed]\n", ["topology"]),
        ("stop: 7\n" + TINY, ["stop"]),
        ("seeds: x\n" + TINY.replace("seed: 0\n", ""), ["seeds"]),
    ):
        lines = problem_lines(cli, text)
        assert sorted(line.split(": ")[1] for line in lines) == sorted(words), lines


def test_a_valid_scenario_is_loaded(cli: CommandLine) -> None:
    assert load_scenario("tiny.yaml").scenario.name == "tiny"
