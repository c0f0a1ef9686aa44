"""`cutlayer explain`: where the time of a client's transfers went."""

import json
from collections.abc import Sequence
from pathlib import Path

from cutlayer.models.own_object import beside, looking_in
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.commands.console import make_console
from cutlayer.sim.files.atomic import check_output_file, whole_text
from cutlayer.sim.files.csv_text import CsvWriter
from cutlayer.sim.results.columns import Row
from cutlayer.sim.run.explain import Explained, Transfer, explain
from cutlayer.sim.run.run import load_scenario
from cutlayer.sim.views.explained import print_explained


def explain_command(
    scenario: str,
    overrides: Sequence[str],
    *,
    method: str | None,
    round_index: int,
    client: str | None,
    limit: int,
    csv_file: Path | None,
    seed: int | None,
    force: bool,
) -> None:
    """Print the longest transfers of a client's round and where its time went; write all of them."""
    if csv_file is not None:
        check_output_file(csv_file, "--csv", force=force)
    if seed is not None:
        overrides = [*overrides, "seeds=null", f"seed={seed}"]
    loaded = load_scenario(scenario, overrides)
    with looking_in(beside(loaded.document.source)):
        plan = plan_checked(loaded, trains=False)[0]
        explained = explain(plan, method, round_index, client)
    if csv_file is not None:
        _write(explained, csv_file, force)
    console = make_console()
    print_explained(explained, limit, console)
    if csv_file is not None:
        console.say(f"all transfers: {csv_file}")


def _write(explained: Explained, path: Path, force: bool) -> None:
    rows = [csv_row(explained, transfer) for transfer in explained.transfers]
    with whole_text(path, replace=force) as file:
        writer = CsvWriter(file, list(rows[0]) if rows else ["transfer"])
        for row in rows:
            writer.add(row)


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
