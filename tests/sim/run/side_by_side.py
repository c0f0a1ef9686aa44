"""Start commands at the same moment, from a program that imports once and forks.

Each line of the standard input is a JSON list: a folder, how often, and the commands as lists of
arguments. The answer is a line with a JSON list with an entry for each time: a list of each command's
exit code, output and errors. Each time has a folder of its own, `0`, `1` and so on, with `tiny.yaml` and
whatever else lies in the given folder's `start`.
"""

import io
import json
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path


def main() -> None:
    import cutlayer.sim.commands.run

    cutlayer.sim.commands.run.write_plots = lambda *_: []
    for line in sys.stdin:
        folder, times, commands = json.loads(line)
        print(json.dumps(answer(Path(folder), times, commands)), flush=True)


def answer(folder: Path, times: int, commands: list[list[str]]) -> list[list[list[object]]]:
    """Run commands `times` times; return their outputs."""
    warm = folder / "warm"
    shutil.copytree(folder / "start", warm)
    os.chdir(warm)
    for number, command in enumerate(commands):  # imports and cost tables are then there for all
        if command not in commands[:number]:
            run(command, warm / "said.json")
    os.chdir(folder)
    shutil.rmtree(warm)
    found = []
    for number in range(times):
        target = folder / str(number)
        shutil.copytree(folder / "start", target)
        os.chdir(target)
        found.append(together(commands))
    return found


def together(commands: Sequence[Sequence[str]]) -> list[list[object]]:
    """Run commands at the same moment; return the output of each."""
    gate, opened = os.pipe()
    children = []
    for number, command in enumerate(commands):
        child = os.fork()
        if child == 0:
            os.close(opened)
            os.read(gate, 1)
            os._exit(run(command, Path(f"said-{number}.json")))
        children.append(child)
    os.close(gate)
    os.close(opened)
    for child in children:
        os.waitpid(child, 0)
    said = []
    for number in range(len(commands)):
        file = Path(f"said-{number}.json")
        said.append(json.loads(file.read_text(encoding="utf-8")))
        file.unlink()
    return said


def run(command: Sequence[str], file: Path) -> int:
    from cutlayer.sim.cli import main as cutlayer

    code: object = None
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        sys.argv = ["cutlayer", *command]
        try:
            cutlayer()
        except SystemExit as ended:
            code = ended.code
    file.write_text(json.dumps([code, out.getvalue(), err.getvalue()]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    main()
