"""Decisions of controllers: what they change, what they share a training with, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import CommandLine
from controllers import Script
from tiny_runs import Inside, only, tiny

from cutlayer import ScenarioError, run
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.control.controller import ControlError
from cutlayer.sim.data.batches import batch_indices
from cutlayer.sim.results.method import MethodResult
from cutlayer.sim.results.read import read_run

VGG5 = ("model.name=vgg5", "training.rounds=3")
SPLITFED = "methods=[splitfed]"


def script(rounds: dict[int, dict[str, Any]], name: str = "Script", **options: Any) -> str:
    """The override of a scripted controller."""
    return "control=" + json.dumps({f"controllers:{name}": {"rounds": rounds, **options}})


def both(*overrides: str) -> tuple[MethodResult, MethodResult]:
    """The result of a method with and without tensors, of which all digests agree."""
    trained, counted = (only(*VGG5, *overrides, executor=name) for name in ("inline", "none"))
    assert trained.event_digest == counted.event_digest
    assert trained.learning_digest == counted.learning_digest
    assert trained.learning_digest is not None
    assert trained.decisions == counted.decisions
    return trained, counted


def test_cuts_that_a_controller_decides_are_those_of_the_scenario() -> None:
    """Equal cuts: the same events, and the same training."""
    written, _ = both(SPLITFED, "model.cut={raspberry-pi-4b-0: 2, default: 1}")
    decided, _ = both(SPLITFED, script({0: {"cuts": {0: 2}}}))
    for digest in ("event_digest", "learning_digest", "weights_digest"):
        assert getattr(decided, digest) == getattr(written, digest)
    assert [tuple(one) for one in decided.decisions] == [
        (0, f"raspberry-pi-4b-{client}", "raspberry-pi-4b", cut, 8)
        for client, cut in enumerate((2, 1, 1))
    ]
    assert written.decisions == []


@pytest.mark.parametrize("method", ["local_loss", "fedgkt", "{ecofed: {init: random}}"])
def test_candidates_that_nobody_has_are_no_ingredient(method: str) -> None:
    few, many = (
        both(
            f"methods=[{method}]",
            "model.cut={raspberry-pi-4b-2: 3, default: 1}",
            script({0: {"cuts": {0: 2}}}, name="OnlyCuts", cuts=cuts),
        )[0]
        for cuts in ([1, 2, 3], [1, 2, 3, 4])
    )
    assert few.learning_digest == many.learning_digest
    assert few.weights_digest == many.weights_digest


@pytest.mark.parametrize(
    "decided",
    [
        {1: {"cuts": {0: 3}}},
        {1: {"batch_sizes": {0: 4}}},
        {1: {"participants": [0, 2]}},
    ],
)
def test_decisions_that_touch_learning_are_in_its_digest(decided: dict[int, Any]) -> None:
    nothing, _ = both(SPLITFED, script({}))
    other, _ = both(SPLITFED, script(decided))
    later, _ = both(SPLITFED, script({2: decided[1]}))
    again, _ = both(SPLITFED, script({**decided, 2: decided[1]}))
    assert len({r.learning_digest for r in (nothing, other, later)}) == 3
    assert again.learning_digest == other.learning_digest
    slow = only(*VGG5, SPLITFED, script(decided), "scale.links=0.5", executor="none")
    assert slow.learning_digest == other.learning_digest
    assert slow.event_digest != other.event_digest


def test_cuts_of_a_method_without_a_cut_change_nothing() -> None:
    plain, _ = both("methods=[classic_fl]")
    decided, _ = both("methods=[classic_fl]", script({0: {"cuts": {0: 3}}}, name="OnlyCuts"))
    assert decided.learning_digest == plain.learning_digest
    assert decided.event_digest == plain.event_digest
    assert decided.decisions == []


def test_changing_cuts_give_the_weights_of_classic_fl() -> None:
    changing = script({0: {"cuts": {0: 3}}, 1: {"cuts": {0: 1, 2: 4}}, 2: {"cuts": {1: 5}}})
    split, _ = both(SPLITFED, changing)
    whole, _ = both("methods=[classic_fl]")
    assert split.weights_digest == whole.weights_digest
    assert [row.cut for row in split.decisions] == [3, 1, 1, 1, 4, 5]


@pytest.mark.parametrize("epochs", [1, 2])
def test_smaller_batches_are_as_many_and_the_first_of_each_epoch(epochs: int) -> None:
    """Client 2 has 30 samples: four batches of 8, or four of 3."""
    run_ = Inside(
        *VGG5,
        "methods=[classic_fl]",
        f"training.local_epochs={epochs}",
        script({0: {"batch_sizes": {2: 3}}}),
    )
    fleet, feed = run_.method.world.fleet, run_.workspace.feed
    full = fleet.batches(2)
    fleet.batch_sizes[2] = 3
    batches = fleet.batches(2)
    assert [batch.size for batch in batches] == [3] * 4 * epochs == list(fleet.sizes(2))
    assert [batch.number for batch in batches] == [batch.number for batch in full]
    for epoch in range(epochs):
        stream = {"seed": 0, "client": 2, "round_index": 0, "epoch": epoch}
        order = np.concatenate(batch_indices(30, 8, **stream))
        rows = [feed.samples(2, 0, b, 3).numpy() for b in batches if b.epoch == epoch]
        assert np.concatenate(rows).tolist() == order[:12].tolist()
        rows = [feed.samples(2, 0, b).numpy() for b in full if b.epoch == epoch]
        assert np.concatenate(rows).tolist() == order.tolist()


def test_only_the_chosen_take_part() -> None:
    decided, _ = both(
        SPLITFED,
        script({0: {"participants": [2, 0]}, 2: {"participants": [1]}}),
        "training.clients_per_round=2",
    )
    assert [closed.clients for closed in decided.rounds] == [2, 2, 1]
    assert [row.client[-1] for row in decided.decisions] == ["0", "2", "1"]


def test_ecofed_does_not_replay_a_buffer_of_another_cut() -> None:
    decided, _ = both(
        "methods=[{ecofed: {init: random, period: 4}}]",
        "model.cut={raspberry-pi-4b-1: 3, default: 1}",
        script({1: {"cuts": {0: 2}}, 2: {"cuts": {1: 1, 2: 2}}}, name="OnlyCuts"),
    )
    assert [closed.round_type for closed in decided.rounds] == ["upload", "replay", "upload"]
    assert [closed.clients for closed in decided.rounds] == [3, 2, 3]


def test_a_controller_sees_the_times_and_bytes_of_closed_rounds() -> None:
    Script.seen.clear()
    (result,) = run(
        tiny(*VGG5, SPLITFED, script({1: {"batch_sizes": {0: 4}}})), executor="none", log="events"
    )
    (played,) = result.methods.values()
    first, second, third = Script.seen
    assert [history.index for history in Script.seen] == [0, 1, 2]
    assert [len(history.rounds) for history in Script.seen] == [0, 1, 2]
    assert [client.name for client in first.clients] == [f"raspberry-pi-4b-{i}" for i in range(3)]
    assert [client.samples for client in first.clients] == [10, 20, 30]
    assert first.clients[0].cuts == (0, 1, 2, 3, 4, 5)
    for closed, kept in zip(third.rounds, played.kept, strict=False):
        record = kept.record
        assert closed.seconds == record.duration_s
        for member, of in enumerate(closed.clients):
            assert of.up_bytes == record.wire_up[member]
            assert of.down_bytes == record.wire_down[member]
            assert of.computing_s == pytest.approx(record.device_busy_s[member])
            assert of.up_rate == pytest.approx(of.up_bytes / of.up_s)
            assert of.down_rate == pytest.approx(of.down_bytes / of.down_s)
            assert 0 < of.weights_s < of.up_s + of.down_s
            assert 0 < of.done_s <= closed.seconds
            assert not of.dropped
        assert sum(of.queue_s for of in closed.clients) == pytest.approx(record.server_wait_s)
    assert [of.batch_size for of in third.rounds[1].clients] == [4, 8, 8]
    assert second.cuts[0] == 1


def test_rounds_of_equal_decisions_are_reused() -> None:
    overrides = (
        *VGG5,
        SPLITFED,
        "training.rounds=6",
        script({2: {"cuts": {1: 3}}, 4: {"cuts": {1: 1}}}),
    )
    with_reuse, without = (
        run(tiny(*overrides), executor="none", reuse=reuse)[0].methods["splitfed"]
        for reuse in (True, False)
    )
    assert with_reuse.reused_rounds == 4
    assert with_reuse.event_digest == without.event_digest
    assert with_reuse.decisions == without.decisions


def test_a_device_chooses_among_the_cuts_that_fit_into_its_memory() -> None:
    Script.seen.clear()
    groups = "[{device: small, link: 4g}, {device: raspberry-pi-4b, count: 2, link: 4g}]"
    only(
        *VGG5,
        SPLITFED,
        "devices={small: {device: raspberry-pi-4b, memory: 3 MB}}",
        f"topology.star.clients={groups}",
        "model.cut=4",
        script({}),
        executor="none",
    )
    (small, other, _) = Script.seen[0].clients
    assert other.cuts == (0, 1, 2, 3, 4, 5)
    assert 0 < len(small.cuts) < 6
    assert small.cuts == tuple(range(len(small.cuts)))
    assert Script.seen[0].cuts[0] == small.cuts[-1]  # the nearest to 4


@pytest.mark.parametrize(
    ("decided", "complaint"),
    [
        ({"cuts": {0: 6}}, "cut 6 for raspberry-pi-4b-0: its cuts are 0, 1, 2, 3, 4, 5"),
        ({"cuts": {7: 1}}, "client 7: there are clients 0 to 2"),
        (
            {"batch_sizes": {1: 9}},
            "batch size 9 for raspberry-pi-4b-1: must be 1 to 8, training.batch_size",
        ),
        (
            {"batch_sizes": {1: 0}},
            "batch size 0 for raspberry-pi-4b-1: must be 1 to 8, training.batch_size",
        ),
        ({"participants": []}, "no participants: choose some, or None for all"),
        ({"participants": [3]}, "client 3: there are clients 0 to 2"),
    ],
)
def test_decisions_that_cannot_be_carried_out(decided: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ControlError) as refused:
        only(*VGG5, SPLITFED, script({1: decided}), executor="none")
    assert str(refused.value) == f"control: Script decides on {complaint}"


def test_participants_that_can_never_train_are_refused() -> None:
    """BatchNorm needs two samples here, and the third client has one."""
    model = ("model={name: resnet18, cut: 1}", "data.partition={sizes: [10, 20, 1]}")
    with pytest.raises(ControlError, match="participants without a batch to train on"):
        only(*model, SPLITFED, script({1: {"participants": [2]}}), executor="none")


def test_a_prediction_at_an_impossible_cut_is_refused() -> None:
    with pytest.raises(ControlError) as refused:
        only(*VGG5, SPLITFED, "control=controllers:Asks", executor="none")
    assert str(refused.value) == (
        "control: Asks decides on the time of raspberry-pi-4b-1 at cut 9: 0, 1, 2, 3, 4, 5 are possible"
    )


def test_a_controller_sets_only_what_it_says() -> None:
    with pytest.raises(ControlError) as refused:
        only(*VGG5, SPLITFED, script({0: {"participants": [0]}}, name="OnlyCuts"), executor="none")
    assert (
        str(refused.value)
        == "control: OnlyCuts decides on participants: add it to the controller's `sets`"
    )


@pytest.mark.parametrize(
    ("overrides", "rule"),
    [
        (("control=besst",), "control: has the unknown choice \"besst\"; did you mean 'best'? (got"),
        (("control={best: {cuts: [9]}}", *VGG5), "control: has the cut 9, and the last is 5 (got"),
        (("control=controllers:Nobody",), "control: controllers:Nobody cannot be imported"),
        (
            ("control=controllers:json",),
            "control: controllers:json cannot be imported",
        ),
        (
            ("control=tiny_runs:Inside",),
            "control: tiny_runs:Inside is not a subclass of cutlayer.sim.control.controller.Controller",
        ),
        (
            ("control=controllers:Undecided",),
            "control: controllers:Undecided is incomplete: it lacks decide",
        ),
        (
            ("control=controllers:NoSets",),
            "control: controllers:NoSets.sets must name what it decides: batch_sizes, cuts,",
        ),
        (
            ("control={'controllers:Script': {round: 3}}",),
            "control: controllers:Script: option round: Extra inputs are not permitted",
        ),
        (
            ("control=balanced_batches", "methods=[{ecofed: {init: random}}]"),
            "control: ecofed does not let a controller set batch_sizes",
        ),
        (
            ("control=balanced_batches", "methods=[centralised]"),
            "control: centralised does not let a controller set batch_sizes",
        ),
        (
            ("control=best", "methods=[split_learning]"),
            "control: split_learning does not let a controller set cuts",
        ),
        (
            ("control=best", "methods=[{fedgkt: {exchange_weights: false}}]"),
            "control: fedgkt does not let a controller set cuts",
        ),
        (
            ("control={balanced_batches: {smallest: 9}}",),
            "control.balanced_batches.smallest: must be at most 8, training.batch_size (got 9)",
        ),
        (
            (
                "control=best",
                "topology={two_tier: {server: {device: server-8-core, slots: 1}, edge_nodes: ["
                "{device: server-8-core, link: 4g, clients: [{device: jetson-nano, count: 3,"
                " link: 4g}]}]}}",
                "methods=[{splitfed: {edges: {rounds: 2}}}]",
            ),
            "control: cannot set cuts: splitfed with edges needs one cut for all clients (got",
        ),
        (
            ("control=fedadapt", "training.optimizer_state=kept"),
            "control: changes cuts between rounds, and a kept optimizer state belongs to one cut: "
            "splitfed needs optimizer_state: fresh",
        ),
    ],
)  # fmt: skip
def test_scenarios_that_are_refused(overrides: tuple[str, ...], rule: str) -> None:
    with pytest.raises(ScenarioError) as refused:
        plan_checked(tiny("model.name=vgg5", *overrides), trains=False)
    (problem,) = refused.value.problems
    assert str(problem).removeprefix("--set: ").startswith(rule)


def test_a_controller_that_settles_goes_with_kept_optimizer_states() -> None:
    overrides = (
        "training.optimizer_state=kept",
        script({0: {"cuts": {0: 3}}}, name="SettledScript"),
    )
    split, _ = both(SPLITFED, *overrides)
    whole, _ = both("methods=[classic_fl]", *overrides)
    assert split.weights_digest == whole.weights_digest


def test_decisions_are_in_the_folder_and_explained(tmp_path: Path, cli: CommandLine) -> None:
    decided = script({0: {"cuts": {0: 3}}, 2: {"batch_sizes": {1: 4, 2: 4}}})
    folder = tmp_path / "run"
    run(tiny(*VGG5, "methods=[splitfed, classic_fl]", decided), executor="none", out=folder)
    rows = read_run(folder).table("decisions")
    kept = ("label", "round", "client", "cut", "batch_size")
    shown = [
        tuple(str(row[name]).removeprefix("raspberry-pi-4b-") for name in kept) for row in rows
    ]
    assert shown == [
        ("splitfed", "0", "0", "3", "8"),
        ("splitfed", "0", "1", "1", "8"),
        ("splitfed", "0", "2", "1", "8"),
        ("splitfed", "2", "1", "1", "4"),
        ("splitfed", "2", "2", "1", "4"),
        ("classic_fl", "0", "0", "5", "8"),
        ("classic_fl", "0", "1", "5", "8"),
        ("classic_fl", "0", "2", "5", "8"),
        ("classic_fl", "2", "1", "5", "4"),
        ("classic_fl", "2", "2", "5", "4"),
    ]
    assert {row["device"] for row in rows} == {"raspberry-pi-4b"}
    said = " ".join(cli("explain", str(folder)).out.split())
    assert (
        "Decisions for splitfed: round 0: cut 1 for 2 raspberry-pi-4b, cut 3 for 1 raspberry-pi-4b; "
        "round 2: cut 1 for 2 raspberry-pi-4b." in said
    )


def test_without_a_controller_there_are_no_decisions(tmp_path: Path) -> None:
    run(tiny(), executor="none", out=tmp_path / "run")
    assert not read_run(tmp_path / "run").has("decisions")


def test_check_says_what_a_controller_sets_and_how_many_clients_have_a_cut(
    cli: CommandLine,
) -> None:
    cut = "model.cut={raspberry-pi-4b-0: 2, default: 1}"
    said = cli(
        "check", "tiny.yaml", "--executor", "none", "--set", "control=best", "--set", cut
    ).out
    assert "lenet cut after block 1 (2 of the clients) or 2 (1 of the clients) of 5," in said
    assert "before every round, best sets cuts\n" in said


def test_explain_says_the_cut_of_the_client(cli: CommandLine) -> None:
    cut = "model.cut={raspberry-pi-4b-0: 2, default: 1}"
    arguments = ("explain", "tiny.yaml", "--client", "raspberry-pi-4b-0", "--method", "splitfed")
    assert " Its cut is 2." in cli(*arguments, "--set", cut).out
    assert "Its cut" not in cli(*arguments).out
