"""`cutlayer validate`: the measured times of a testbed beside those of its scenario."""

from collections.abc import Sequence
from pathlib import Path

from cutlayer.sim.commands.console import make_console
from cutlayer.sim.commands.progress import PhaseProgress
from cutlayer.sim.files.atomic import check_output_file
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.validate.output import print_comparison, write_comparison
from cutlayer.sim.validate.validate import validate
from cutlayer.sim.views.columns import print_text
from cutlayer.sim.views.intervals import HOW_TO_GET


def validate_command(
    measured: Path,
    scenario: str,
    overrides: Sequence[str],
    *,
    draws: int | None,
    out: Path | None,
    force: bool,
) -> None:
    """Print the comparison, and write it if a file is given."""
    if out is not None:
        check_output_file(out, "--out", force=force)
    if draws is not None:
        overrides = [*overrides, f"uncertainty.draws={draws}"]
    loaded = load_scenario(scenario, overrides)
    console = make_console()
    with PhaseProgress(console) as progress:
        comparison = validate(measured, loaded, progress)
    print_comparison(comparison, f"{measured.name} beside {loaded.scenario.name}", console)
    seeds = loaded.scenario.all_seeds
    if len(seeds) > 1:
        console.print(f"The predictions are those of seed {seeds[0]}, the first of {len(seeds)}.")
    if comparison.uncertain and comparison.level is None:
        print_text(console, HOW_TO_GET, "dim")
    if out is not None:
        write_comparison(comparison, out, replace=force)
        console.say(f"results: {out}")
