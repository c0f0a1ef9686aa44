"""`cutlayer validate`: the measured times of a testbed beside those of its scenario."""

from collections.abc import Sequence
from pathlib import Path

from cutlayer.sim.commands.console import make_console
from cutlayer.sim.files.atomic import check_output_file
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.validate.output import print_comparison, write_comparison
from cutlayer.sim.validate.validate import validate


def validate_command(
    measured: Path, scenario: str, overrides: Sequence[str], *, out: Path | None, force: bool
) -> None:
    """Print the comparison, and write it if a file is given."""
    if out is not None:
        check_output_file(out, "--out", force=force)
    loaded = load_scenario(scenario, overrides)
    comparison = validate(measured, loaded)
    console = make_console()
    print_comparison(comparison, f"{measured.name} beside {loaded.scenario.name}", console)
    seeds = loaded.scenario.all_seeds
    if len(seeds) > 1:
        console.print(f"The predictions are those of seed {seeds[0]}, the first of {len(seeds)}.")
    if out is not None:
        write_comparison(comparison, out, replace=force)
        console.say(f"results: {out}")
