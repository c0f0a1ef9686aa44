"""The command line: arguments in, exit codes out.

Exit codes: 0 success; 1 a defect of Cutlayer; 2 invalid input, or results that cannot be written; 3 a
run that stalled because a round can never end; 128 + N interrupted by signal N (130: Ctrl-C, 143:
SIGTERM, 129: SIGHUP, 141: the output was closed), after writing the results so far. Large packages are
imported when a command needs them.

This file is long because it declares every option of every command; it does nothing else.
"""

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cutlayer.errors import UserError
from cutlayer.sim.files.plain_text import argument_text, show_what_cannot_be_encoded, visible
from cutlayer.sim.learning.executors import EXECUTORS, executor_entry
from cutlayer.sim.loggers.logger import LOGGERS
from cutlayer.sim.process.interrupts import (
    INTERRUPTED,
    final_code,
    ignore_at_exit,
    interrupts_handled,
)
from cutlayer.version import __version__

MAX_THREADS = 1024
MAX_JOBS = 1024

app = typer.Typer(
    name="cutlayer",
    help="Predict the time, traffic and accuracy of split and federated training.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _as_text(value: str | None) -> str | None:
    return None if value is None else argument_text(value)


def _known_executor(name: str) -> str:
    executor_entry(name)
    return name


def _executor(text: str) -> Any:
    return typer.Option(metavar="|".join(EXECUTORS), help=text, callback=_known_executor)


TrainingDevice = Annotated[
    str,
    typer.Option(metavar="cpu|cuda|cuda:N|mps", help="Device of torch on which models train."),
]
ScenarioArgument = Annotated[
    str,
    typer.Argument(metavar="SCENARIO", help="A scenario file, or the name of a shipped scenario."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a field, as in training.rounds=5; repeatable.",
        callback=lambda values: [argument_text(value) for value in values or ()],
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the data sets in torchvision's layout [CUTLAYER_DATA_DIR]."),
]
NoUserCode = Annotated[
    bool,
    typer.Option(
        "--no-user-code",
        help="Do not import objects named package.module:Object [CUTLAYER_NO_USER_CODE=1].",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing output file.")]
Draws = Annotated[
    int | None,
    typer.Option(
        min=2,
        max=10_000,
        help="Add intervals: time again with this many draws of the uncertain figures.",
    ),
]
Threads = Annotated[
    int, typer.Option(min=1, max=MAX_THREADS, help="Torch threads; 1 is best for small batches.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Use a Dask cluster, such as tcp://host:8786, which must be trusted (SECURITY.md).",
    ),
]


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"cutlayer {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Predict the time, traffic and accuracy of split and federated training."""
    del version  # handled by its callback


@app.command()
def run(
    scenario: ScenarioArgument,
    overrides: Overrides = None,
    executor: Annotated[
        str,
        _executor(
            "processes trains in worker processes, inline in this one; stacked trains clients side by "
            "side, dask on a cluster (--scheduler); none simulates time and bytes."
        ),
    ] = "processes",
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, max=MAX_JOBS, help="Worker processes, also for the draws [one per core]."
        ),
    ] = None,
    scheduler: Scheduler = None,
    device: TrainingDevice = "cpu",
    threads: Threads = 1,
    out: Annotated[
        Path | None, typer.Option(help="New folder for the results [runs/NAME].")
    ] = None,
    data_dir: DataDir = None,
    log: Annotated[
        Literal["rounds", "events"],
        typer.Option(help="Keep the intervals of selected rounds, or (events) of all."),
    ] = "rounds",
    reuse: Annotated[
        bool,
        typer.Option(help="With --executor none, simulate identical rounds once."),
    ] = True,
    plots: Annotated[bool, typer.Option(help="Draw plots; `report` can draw them later.")] = True,
    traffic: Annotated[
        bool, typer.Option("--traffic", help="Also print the traffic by category, and by tier.")
    ] = False,
    draws: Draws = None,
    confusion: Annotated[
        bool,
        typer.Option("--confusion", help="Also write and draw which classes are taken for which."),
    ] = False,
    save_model: Annotated[
        bool,
        typer.Option("--save-model", help="Save the final and the best model of each method."),
    ] = False,
    log_to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="|".join((*LOGGERS, "MODULE:OBJECT")),
            help="Send the figures of each round to a tracking tool, or a logger of yours; repeatable.",
        ),
    ] = None,
    checkpoint_every: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="ROUNDS",
            help="Save a checkpoint for `resume` after this many closed rounds.",
        ),
    ] = 1,
    no_user_code: NoUserCode = False,
) -> None:
    """Run and compare every method of a scenario."""
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.run import run_command

    sys.exit(
        run_command(
            scenario,
            overrides or [],
            executor=executor,
            out=out,
            data_dir=data_dir,
            log=log,
            reuse=reuse,
            jobs=jobs,
            threads=threads,
            scheduler=scheduler,
            device=device,
            plots=plots,
            traffic=traffic,
            draws_wanted=draws,
            log_to=log_to or [],
            save_model=save_model,
            confusion=confusion,
            checkpoint_every=checkpoint_every,
        )
    )


@app.command()
def resume(
    folder: Annotated[
        Path,
        typer.Argument(metavar="RUN_OR_STUDY", help="A folder that `run` or `sweep` writes."),
    ],
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="The Dask cluster, if its address has changed."),
    ] = None,
    no_user_code: NoUserCode = False,
) -> None:
    """Continue a run or study that was interrupted or killed.

    Repeats its command, whose options are in the folder, from the last closed rounds. The results are
    those of an undisturbed run. A finished one is left as it is.
    """
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.resume import resume_command

    sys.exit(resume_command(folder, scheduler))


@app.command()
def sweep(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A study file, or the name of a shipped study.")
    ],
    executor: Annotated[
        str, _executor("inline trains each distinct training once; none only simulates time.")
    ] = "inline",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results, or of a sweep to continue [runs/NAME]."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_JOBS, help="Worker processes on this machine [one per core]."),
    ] = None,
    scheduler: Scheduler = None,
    device: TrainingDevice = "cpu",
    data_dir: DataDir = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder of learning curves shared between studies [OUT/trainings]."),
    ] = None,
    full: Annotated[
        list[int] | None,
        typer.Option(
            metavar="POINT", help="Also write the full run folder of this point; repeatable."
        ),
    ] = None,
    draws: Draws = None,
    threads: Threads = 1,
    no_user_code: NoUserCode = False,
) -> None:
    """Run a study: one scenario at many points.

    Points that differ only in time share one training. A sweep that was interrupted can be continued.
    """
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.sweep import sweep_command

    sys.exit(
        sweep_command(
            study,
            executor=executor,
            out=out,
            jobs=jobs,
            scheduler=scheduler,
            device=device,
            data_dir=data_dir,
            cache=cache,
            full=full or [],
            draws=draws,
            threads=threads,
        )
    )


@app.command()
def check(
    scenario: ScenarioArgument,
    overrides: Overrides = None,
    executor: Annotated[
        str, _executor("inline also checks that data and weights are there.")
    ] = "none",
    data_dir: DataDir = None,
    no_user_code: NoUserCode = False,
) -> None:
    """Predict clients, bytes, memory and time of a run.

    Trains nothing and writes nothing. Objects that the scenario names as package.module:Object are
    imported, which executes their code; --no-user-code refuses them.
    """
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.check import check_command

    check_command(scenario, overrides or [], executor=executor, data_dir=data_dir)


@app.command()
def report(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="RUN_OR_STUDY...", help="Folders that `run` or `sweep` wrote."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The page to write [report.html in the first folder]."),
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Also write every figure as SVG, PDF and CSV to a new folder."
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Write an HTML page of runs and studies.

    It is one self-contained file with charts, timelines, tables and provenance.
    """
    from cutlayer.sim.commands.report import report_command

    report_command(folders, out=out, figures=figures, force=force)


@app.command()
def compare(
    one: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that `run` wrote.")],
    other: Annotated[Path, typer.Argument(metavar="RUN", help="Another one.")],
) -> None:
    """Show where two runs differ.

    Compares their scenarios, their results, and whether they learned the same.
    """
    from cutlayer.sim.commands.compare import compare_command

    compare_command(one, other)


@app.command()
def export(
    folder: Annotated[
        Path, typer.Argument(metavar="RUN_OR_STUDY", help="A folder that `run` or `sweep` wrote.")
    ],
    to: Annotated[
        Literal["csv", "json", "parquet", "tensorboard"], typer.Option(help="File format.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the files.")],
) -> None:
    """Export the tables of a run or study.

    Formats are CSV, JSON, Parquet and TensorBoard event files.
    """
    from cutlayer.sim.commands.export import export_command

    export_command(folder, to=to, out=out)


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
        typer.Option("--round", metavar="N", help="Only this round or window [of a scenario: 0]."),
    ] = None,
    update: Annotated[
        int | None,
        typer.Option(metavar="N", help="Of a run: only this update of an asynchronous method."),
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
    """Explain where the time of a run or scenario goes.

    A run folder: which phases make up each method's round, why one method is faster than another,
    who is last; the life of one update of an asynchronous method. A scenario: step by step, what
    limited each transfer of one client in one round.
    """
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.explain import explain_command

    explain_command(
        target,
        overrides or [],
        method=method,
        round_index=round_index,
        update=update,
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
            help="scenarios, studies, methods, codecs, models, datasets, devices, stacks or links [all]."
        ),
    ] = None,
    output: Annotated[
        Literal["text", "json"],
        typer.Option("--format", help="Print a table, or JSON for other programs."),
    ] = "text",
) -> None:
    """List what a scenario can name."""
    from cutlayer.sim.commands.catalogue import list_command

    list_command(what, as_json=output == "json")


@app.command()
def show(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="[data|model] NAME",
            help="A scenario (or its file), method, model, data set, device or link; "
            "`data SCENARIO`: which client holds which samples; `model NAME`: where it (or the model of "
            "a scenario) can be cut.",
        ),
    ],
    overrides: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of data: draw the picture as .png, .svg or .pdf, or write the partition as .json.",
        ),
    ] = None,
    data_dir: DataDir = None,
    classes: Annotated[
        int | None, typer.Option(min=1, help="Of `model`: the number of classes [10].")
    ] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(metavar="SHAPE", help="Of `model`: the shape of an input [3x32x32]."),
    ] = None,
    vocabulary: Annotated[
        int | None, typer.Option(min=1, help="Of `model`: the number of different tokens.")
    ] = None,
    tensors: Annotated[
        bool,
        typer.Option(
            "--tensors", help="Of `model`: list its tensors by the names for fine-tuning."
        ),
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the scenario's topology as .png, .svg or .pdf."),
    ] = None,
    no_user_code: NoUserCode = False,
    force: Force = False,
) -> None:
    """Show a scenario, method, model, data set, device or link, who holds which data, or cuts.

    Devices and links are shown with the sources of their figures.
    """
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.show import show_words

    given = {"--set": overrides, "--out": out, "--data-dir": data_dir}
    of_model = {"--classes": classes, "--input-shape": input_shape, "--vocabulary": vocabulary}
    options = of_model | {"--tensors": tensors}
    show_words(names, plot, of_data=given, of_model=options, force=force)


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from cutlayer.sim.commands.catalogue import schema_command

    schema_command()


@app.command()
def calibrate(
    out: Annotated[Path, typer.Option(help="YAML file of the profile to write.")],
    name: Annotated[str, typer.Option(help="Name of the profile.")] = "this-machine",
    threads: Annotated[
        int | None,
        typer.Option(
            min=1, max=MAX_THREADS, help="Torch threads, as in the training [torch's default]."
        ),
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(
            min=0.1, help="Approximate duration; iterations that take too long are left out."
        ),
    ] = 5.0,
    passes: Annotated[
        int, typer.Option(min=2, help="Number of times that each iteration is timed.")
    ] = 3,
    errors: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Also write the errors of held-out cases to a new CSV file."
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Measure this machine and write its device profile.

    Trains small models, fits the profile, and prints its error on models that the fit has not seen.
    """
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
def fit(
    measured: Annotated[
        Path,
        typer.Argument(
            metavar="MEASURED.csv", help="Timed iterations: model, batch_size, seconds."
        ),
    ],
    device: Annotated[
        str,
        typer.Option(
            metavar="DEVICE", help="Device to begin with, of the catalogue or a profile (.yaml)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="YAML file of the profile to write.")],
    stack: Annotated[
        str | None,
        typer.Option(metavar="STACK", help="Software stack to begin with [a plain loop]."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the profile.")] = "my-device",
    errors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write the errors of the rows to a new CSV file."),
    ] = None,
    force: Force = False,
    no_user_code: NoUserCode = False,
) -> None:
    """Fit a device profile to iterations that you timed.

    Moves the figures of a known device as far as the rows tell, and says what is left to know.
    """
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.fit import fit_command

    fit_command(
        measured,
        device=device,
        stack=stack,
        name=name,
        out=out,
        errors_file=errors,
        force=force,
    )


@app.command()
def validate(
    measured: Annotated[
        Path, typer.Argument(metavar="MEASURED.csv", help="Measured times of a testbed.")
    ],
    scenario: ScenarioArgument,
    overrides: Overrides = None,
    draws: Draws = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the comparison as CSV.")
    ] = None,
    no_user_code: NoUserCode = False,
    force: Force = False,
) -> None:
    """Compare measured times of a testbed with its scenario.

    Prints the prediction beside every measured round, iteration or phase, the errors by phase, the order
    of the methods and their speedups. Trains nothing.
    """
    _user_code(forbid=no_user_code)
    from cutlayer.sim.commands.validate import validate_command

    validate_command(measured, scenario, overrides or [], draws=draws, out=out, force=force)


@app.command()
def reproduce(
    name: Annotated[
        str,
        typer.Argument(
            help="ecofed, edpfl, ares, mpsl, bpfree, splitlite, benchmark-pi, all of these, or fairness."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="New folder for tables (CSV, Markdown) and plots.")
    ] = None,
) -> None:
    """Compare a paper's published figures with simulated ones.

    The table says of each figure whether it is fitted or predicted, and how far it deviates.
    """
    from cutlayer.sim.commands.reproduce import reproduce_command

    reproduce_command(name, out)


@app.command()
def pretrain(
    model: Annotated[str, typer.Argument(help="Model to train.")],
    dataset: Annotated[str, typer.Argument(help="Data set to train on.")],
    out: Annotated[Path, typer.Option(help="The safetensors file to write.")],
    epochs: Annotated[int, typer.Option(min=1)] = 30,
    blocks: Annotated[
        int | None,
        typer.Option(min=1, help="Number of leading blocks to save [all convolutional ones]."),
    ] = None,
    train_samples: Annotated[int | None, typer.Option(min=1)] = None,
    test_samples: Annotated[int | None, typer.Option(min=0)] = None,
    test_fraction: Annotated[
        float | None,
        typer.Option(
            help="Share to hold out of a data set without a test split, as scenarios of this seed do."
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = 128,
    lr: Annotated[float, typer.Option(min=0.0)] = 0.01,
    momentum: Annotated[float, typer.Option(min=0.0, max=1.0)] = 0.9,
    weight_decay: Annotated[float, typer.Option(min=0.0)] = 5e-4,
    milestone: Annotated[
        list[int] | None,
        typer.Option(
            min=1, help="Epoch after which the learning rate drops to a tenth; repeatable."
        ),
    ] = None,
    augment: Annotated[bool, typer.Option(help="Random crops and flips of images.")] = True,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1)] = 0,
    data_dir: DataDir = None,
    threads: Threads = 1,
    no_user_code: NoUserCode = False,
    force: Force = False,
) -> None:
    """Train a model centrally and save its first blocks.

    The file also records the recipe of the training.
    """
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
    """Run the command line; invalid input ends in one message and exit code 2."""
    from cutlayer.sim.process.python_path import drop_working_directory

    show_what_cannot_be_encoded()
    try:
        drop_working_directory()
    except FileNotFoundError:
        sys.stderr.write("the working directory was removed: change to one that exists\n")
        sys.exit(2)
    with interrupts_handled():
        code = _outcome()
    ignore_at_exit()
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
