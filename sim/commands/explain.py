"""`cutlayer explain`: where the time of a run's rounds, or of a scenario's transfers, goes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cutlayer.errors import UserError
from cutlayer.models.own_object import beside, looking_in
from cutlayer.scenarios.shipped import shipped_names
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.commands.console import make_console
from cutlayer.sim.commands.transfers import print_transfers
from cutlayer.sim.files.atomic import check_output_file, whole_text
from cutlayer.sim.files.csv_text import CsvWriter
from cutlayer.sim.results.columns import Row
from cutlayer.sim.results.read import read
from cutlayer.sim.run.explain import Explained, Transfer, explain
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.views.critical_path import print_methods, print_path, print_rounds
from cutlayer.suggestion import suggestion

LONGEST: Final = 20  # transfers shown


def explain_command(
    target: str,
    overrides: Sequence[str],
    *,
    method: str | None,
    round_index: int | None,
    client: str | None,
    limit: int | None,
    csv_file: Path | None,
    seed: int | None,
    force: bool,
) -> None:
    """Explain a run folder by its critical paths, or a scenario by one client's transfers."""
    if _is_folder(target):
        given = {"--set": overrides, "--client": client, "--csv": csv_file, "--seed": seed}
        for option, value in (given | {"--limit": limit}).items():
            if value not in (None, []):
                raise UserError(f"{option}: {target} is a run folder; {option} explains a scenario")
        explain_run(Path(target), method=method, round_index=round_index)
        return
    if csv_file is not None:
        check_output_file(csv_file, "--csv", force=force)
    if seed is not None:
        overrides = [*overrides, "seeds=null", f"seed={seed}"]
    loaded = load_scenario(target, overrides)
    with looking_in(beside(loaded.document.source)):
        plan = plan_checked(loaded, trains=False)[0]
        explained = explain(plan, method, round_index or 0, client)
    if csv_file is not None:
        rows = [csv_row(explained, transfer) for transfer in explained.transfers]
        with whole_text(csv_file, replace=force) as file:
            writer = CsvWriter(file, list(rows[0]) if rows else ["transfer"])
            for row in rows:
                writer.add(row)
    console = make_console()
    print_transfers(explained, LONGEST if limit is None else limit, console)
    if csv_file is not None:
        console.say(f"all transfers: {csv_file}")


def explain_run(path: Path, *, method: str | None, round_index: int | None) -> None:
    """Print where the time of all methods went, of one method's rounds, or of one round."""
    runs = read(path)
    if not isinstance(runs, list):
        raise UserError(
            f"{path} holds a study: sweep it with --full POINT, and explain points/POINT"
        )
    run = runs[0]
    labels = list(run.methods)
    if method is not None and method not in labels:
        raise UserError(
            f"--method {method}: not in {path}{suggestion(method, labels)} ({', '.join(labels)})"
        )
    console = make_console()
    if len(runs) > 1:
        console.print(f"seed {run.seed}, the first of {len(runs)}")
    if round_index is not None:
        print_path(run, method or labels[0], round_index, console)
        return
    print_methods(run, [method] if method else labels, console)
    if method is not None:
        console.print()
        print_rounds(run, method, console)


def _is_folder(target: str) -> bool:
    try:
        return target not in shipped_names() and Path(target).is_dir()
    except (OSError, ValueError):  # not a path that the system accepts
        return False


def csv_row(explained: Explained, transfer: Transfer) -> Row:
    """Return a transfer as a row: times since the round began in s, rates in wire bytes/s."""
    account = transfer.account
    return {
        "method": explained.label,
        "round": explained.rnd.index,
        "client": explained.client,
        "transfer": transfer.number,
        "direction": transfer.direction,
        "message": transfer.activity,
        "start_s": transfer.start_s,
        "end_s": transfer.end_s,
        "arrival_s": None if transfer.dropped else transfer.end_s + transfer.delay_s,
        "payload_bytes": transfer.payload_bytes,
        "wire_bytes": transfer.wire_bytes,
        "link_bytes": transfer.carried_bytes,
        "dropped": int(transfer.dropped),
        "mean_rate": transfer.mean_rate,
        "cap": transfer.cap,
        "cap_from": transfer.cap_from,
        "connect_s": account.connect_s,
        "slow_start_s": account.slow_start_s,
        "slow_start_rounds": account.rounds,
        "window_bytes": account.window_bytes,
        "window_s": account.window_s,
        "loss_s": account.loss_s,
        "own_link_s": account.own_link_s,
        "shared_s": account.shared_s,
        "held_by": json.dumps([[p.start_s, p.rate, p.held_by] for p in transfer.pieces]),
    }
