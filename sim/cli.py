"""The command line: arguments in, exit codes out.

Exit codes: 0 done; 1 a defect of Cutlayer itself; 2 bad input, or results that cannot be written;
3 a run that stalled: a round of it can never end; 128 + N interrupted by the signal N (130: Ctrl-C,
143: SIGTERM, 129: SIGHUP, 141: nobody reads the output any more), with what there was written. Nothing
slow is imported before a command needs it.

This file is long because every option of every command is declared in it, and nothing else.
"""

import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cutlayer import __version__
from cutlayer.errors import UserError
from cutlayer.sim.files.plain_text import argument_text, show_what_cannot_be_encoded, visible
from cutlayer.sim.process.interrupts import INTERRUPTED, final_code, interrupts_handled

app = typer.Typer(
    name="cutlayer",
    help="How long, how many bytes and how accurate would this split or federated training be?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


MOST_THREADS = 1024


class Executor(StrEnum):
    """Whether tensors are trained."""

    none = "none"
    inline = "inline"


class Format(StrEnum):
    """What results are exported to."""

    csv = "csv"
    json = "json"
    parquet = "parquet"
    tensorboard = "tensorboard"


class Log(StrEnum):
    """Which intervals are kept."""

    rounds = "rounds"
    events = "events"


def _as_text(value: str | None) -> str | None:
    return None if value is None else argument_text(value)


ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A scenario file, or the name of a shipped one.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a field: training.rounds=5.",
        callback=lambda values: [argument_text(value) for value in values or ()],
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the data sets, as torchvision lays them out [CUTLAYER_DATA_DIR]."),
]
NoUserCode = Annotated[
    bool,
    typer.Option(
        "--no-user-code",
        help="Refuse to import a user's own objects (package.module:Object) [CUTLAYER_NO_USER_CODE=1].",
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace the named file if it exists; never a device.")
]
Threads = Annotated[
    int, typer.Option(min=1, max=MOST_THREADS, help="Torch threads; small batches want 1.")
]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"cutlayer {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """How long, how many bytes and how accurate would this split or federated training be?"""
    del version  # its callback has answered


@app.command()
def run(
    scenario: ScenarioArgument,
    overrides: Overrides = None,
    executor: Annotated[
        Executor, typer.Option(help="inline really trains; none counts time and bytes only.")
    ] = Executor.inline,
    out: Annotated[
        Path | None, typer.Option(help="New folder for the results [runs/NAME].")
    ] = None,
    data_dir: DataDir = None,
    log: Annotated[
        Log, typer.Option(help="Keep the intervals of a few rounds, or of all of them.")
    ] = Log.rounds,
    reuse: Annotated[
        bool,
        typer.Option(help="With --executor none, play rounds that cannot differ only once."),
    ] = True,
    plots: Annotated[
        bool, typer.Option(help="Draw pictures; `report` can draw them later.")
    ] = True,
    threads: Threads = 1,
    no_user_code: NoUserCode = False,
) -> None:
    """Run every method of a scenario and compare them."""
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.run import run_command

    sys.exit(
        run_command(
            scenario,
            overrides or [],
            executor=executor.value,
            out=out,
            data_dir=data_dir,
            log=log.value,
            reuse=reuse,
            threads=threads,
            plots=plots,
        )
    )


@app.command()
def sweep(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A study file, or the name of a shipped one.")
    ],
    executor: Annotated[
        Executor, typer.Option(help="inline trains each learning digest once; none only times.")
    ] = Executor.inline,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results, or one to go on with [runs/NAME]."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine [one for each core].")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="A Dask cluster instead: tcp://host:8786. It is trusted: see SECURITY.md.",
        ),
    ] = None,
    data_dir: DataDir = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of learning curves that several studies share [OUT/trainings]."),
    ] = None,
    full: Annotated[
        list[int] | None,
        typer.Option(metavar="POINT", help="Write this point's whole run folder too; repeatable."),
    ] = None,
    threads: Threads = 1,
    no_user_code: NoUserCode = False,
) -> None:
    """Run a study: a scenario at many points, trained once for all that only differ in time."""
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.sweep import sweep_command

    sys.exit(
        sweep_command(
            study,
            executor=executor.value,
            out=out,
            jobs=jobs,
            scheduler=scheduler,
            data_dir=data_dir,
            cache=cache,
            full=full or [],
            threads=threads,
        )
    )


@app.command()
def check(
    scenario: ScenarioArgument,
    overrides: Overrides = None,
    executor: Annotated[
        Executor, typer.Option(help="inline also asks for data and weights.")
    ] = Executor.none,
    data_dir: DataDir = None,
    no_user_code: NoUserCode = False,
) -> None:
    """Say what would run: clients, bytes, memory, predicted virtual time.

    Trains nothing and writes nothing. Objects of a user's own that the scenario names
    (package.module:Object) are imported, which executes their code; --no-user-code refuses them.
    """
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.check import check_command

    check_command(scenario, overrides or [], executor=executor.value, data_dir=data_dir)


@app.command()
def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUN_OR_STUDY...", help="What `run` or `sweep` wrote.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page [report.html in the first].")
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write every figure as SVG, PDF and CSV to a new folder."),
    ] = None,
    force: Force = False,
) -> None:
    """Write one self-contained page of runs and studies: charts, timelines, figures, provenance."""
    from cutlayer.sim.commands.report import report_command

    report_command(folders, out=out, figures=figures, force=force)


@app.command()
def compare(
    one: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `run` wrote.")],
    other: Annotated[Path, typer.Argument(metavar="RUN", help="Another.")],
) -> None:
    """Show where two runs differ: what was asked, what came out, whether the same was learned."""
    from cutlayer.sim.commands.compare import compare_command

    compare_command(one, other)


@app.command()
def export(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN_OR_STUDY", help="What `run` or `sweep` wrote.")
    ],
    to: Annotated[Format, typer.Option(help="The format.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder.")],
) -> None:
    """Write the tables of a run or study as CSV, JSON, Parquet or TensorBoard event files."""
    from cutlayer.sim.commands.export import export_command

    export_command(folder, to=to.value, out=out)


@app.command(hidden=True)
def why(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `run` wrote.")],
    method: Annotated[str | None, typer.Option(metavar="LABEL", callback=_as_text)] = None,
    round_index: Annotated[int | None, typer.Option("--round", metavar="N")] = None,
) -> None:
    """Explain a run; deprecated: `cutlayer explain` does the same."""
    from cutlayer.scenarios.aliases import report_renamed
    from cutlayer.sim.commands.explain import explain_run

    report_renamed("cutlayer", "why", "explain")
    explain_run(run, method=method, round_index=round_index)


@app.command()
def explain(
    target: Annotated[
        str,
        typer.Argument(
            metavar="RUN_OR_SCENARIO",
            help="A folder that `run` wrote, or a scenario (a file, or the name of a shipped one).",
        ),
    ],
    overrides: Overrides = None,
    method: Annotated[
        str | None,
        typer.Option(metavar="LABEL", help="Only this method [the first].", callback=_as_text),
    ] = None,
    round_index: Annotated[
        int | None,
        typer.Option("--round", metavar="N", help="Only this round [of a scenario: 0]."),
    ] = None,
    client: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Of a scenario: whose transfers [those of the last client to finish].",
            callback=_as_text,
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help="Of a scenario: how many of the longest transfers to show [20]."),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Of a scenario: write all transfers to a new file."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="Of a scenario: another seed than its own."),
    ] = None,
    no_user_code: NoUserCode = False,
    force: Force = False,
) -> None:
    """Explain where the time goes: of a run, by critical paths; of a scenario, by transfers.

    A run folder: which phases make up each method's round, why one method is faster than another,
    who is last. A scenario: step by step, what limited each transfer of one client in one round.
    """
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.explain import explain_command

    explain_command(
        target,
        overrides or [],
        method=method,
        round_index=round_index,
        client=client,
        limit=limit,
        csv_file=csv,
        seed=seed,
        force=force,
    )


@app.command("list")
def list_(
    what: Annotated[
        str | None,
        typer.Argument(
            help="scenarios, studies, methods, models, datasets, devices or links; all if left out."
        ),
    ] = None,
) -> None:
    """List what a scenario can name."""
    from cutlayer.sim.commands.catalogue import list_command

    list_command(what)


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(help="A scenario (or its file), method, model, data set, device or link."),
    ],
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the scenario's topology: a .png, .svg or .pdf."),
    ] = None,
    no_user_code: NoUserCode = False,
    force: Force = False,
) -> None:
    """Show one of the things that `list` names, with its figures and sources; or a topology."""
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.show import show_command

    show_command(name, plot, force=force)


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from cutlayer.sim.commands.catalogue import schema_command

    schema_command()


@app.command()
def calibrate(
    out: Annotated[Path, typer.Option(help="The profile to write, a new YAML file.")],
    name: Annotated[str, typer.Option(help="What to call the machine.")] = "this-machine",
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_THREADS, help="Torch threads, as in the training [torch's own]."
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(min=0.1, help="About how long; long iterations are left out.")
    ] = 5.0,
    passes: Annotated[int, typer.Option(min=2, help="How often everything is timed.")] = 3,
    errors: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the held-out cases to a new CSV.")
    ] = None,
    force: Force = False,
) -> None:
    """Measure this machine with real training and write its profile, with its error."""
    from cutlayer.sim.commands.calibrate import calibrate_command

    calibrate_command(
        out,
        name=name,
        threads=threads,
        minutes=minutes,
        passes=passes,
        errors_file=errors,
        force=force,
    )


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help="ecofed, edpfl, ares, mpsl, or all.")],
    out: Annotated[
        Path | None, typer.Option(help="New folder for tables (CSV, Markdown) and plots.")
    ] = None,
) -> None:
    """Print a paper's table: published, fitted or predicted, simulated, deviation."""
    from cutlayer.sim.commands.reproduce import reproduce_command

    reproduce_command(name, out)


@app.command()
def pretrain(
    model: Annotated[str, typer.Argument(help="Which model to train.")],
    dataset: Annotated[str, typer.Argument(help="On which data set.")],
    out: Annotated[Path, typer.Option(help="The safetensors file to write.")],
    epochs: Annotated[int, typer.Option(min=1)] = 30,
    blocks: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many leading blocks to save; all convolutional ones if left out."
        ),
    ] = None,
    train_samples: Annotated[int | None, typer.Option(min=1)] = None,
    test_samples: Annotated[int | None, typer.Option(min=0)] = None,
    test_fraction: Annotated[
        float | None,
        typer.Option(
            help="For a set without a test split: leave out what a scenario with the same seed tests on."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 128,
    lr: Annotated[float, typer.Option(min=0.0)] = 0.01,
    momentum: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.9,
    weight_decay: Annotated[float, typer.Option(min=0.0)] = 5e-4,
    milestone: Annotated[
        list[int] | None, typer.Option(min=1, help="Epochs after which the rate falls to a tenth.")
    ] = None,
    augment: Annotated[bool, typer.Option(help="Random crops and flips.")] = True,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1)] = 0,
    data_dir: DataDir = None,
    threads: Threads = 1,
    no_user_code: NoUserCode = False,
    force: Force = False,
) -> None:
    """Train a model in one place and save its first blocks with their recipe."""
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.pretrain import DataChoice, pretrain_command
    from cutlayer.sim.learning.pretrain import PretrainRecipe

    recipe = PretrainRecipe(
        model=model,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        momentum=momentum,
        weight_decay=weight_decay,
        nesterov=momentum > 0,
        milestones=tuple(milestone or ()),
        augment=augment,
        seed=seed,
        blocks=blocks,
    )
    samples = DataChoice(dataset, train_samples, test_samples, test_fraction, data_dir)
    pretrain_command(recipe, samples, out, threads, force=force)


def _user_code(*, forbid: bool) -> None:
    from cutlayer.models.own_object import forbid_user_code

    forbid_user_code(forbid)


def main() -> None:
    """Run the command line; bad input ends in one message and exit code 2."""
    from cutlayer.sim.process.python_path import drop_working_directory

    show_what_cannot_be_encoded()
    try:
        drop_working_directory()
    except FileNotFoundError:
        sys.stderr.write("the working directory was removed: change to one that exists\n")
        sys.exit(2)
    with interrupts_handled():
        code = _outcome()
    sys.exit(final_code(code))


def _outcome() -> int:
    """Run the command; return its exit code."""
    try:
        app()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except UserError as error:
        with suppress(BrokenPipeError):
            sys.stderr.write(f"{visible(str(error))}\n")
        return 2
    return 0
