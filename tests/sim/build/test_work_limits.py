"""Work beyond a scenario's limits is refused with its amount before it begins; limits can be raised."""

import pytest
from command_line import TINY, CommandLine, assert_refused, files, summary

from cutlayer.sim.clock import Clock, TooManyEventsError

# 60 samples for three clients: 20 each, in 2 batches of 10; two clients per round.
assert "train_samples: 60" in TINY
ROUND = 4
RUN = ROUND * 3 * 2  # rounds, methods


@pytest.mark.parametrize("command", ["run", "check"])
def test_too_many_epochs_are_refused_with_their_batches(command: str, cli: CommandLine) -> None:
    sets = ["--set", "training.local_epochs=1000000000", "--executor", "none"]
    assert_refused(
        cli(command, "tiny.yaml", *sets),
        "training.local_epochs: makes 4,000,000,000 batches a round",
        "more than the 200,000 of limits.round_batches: set that to 4000000000 to allow them",
    )
    assert files(cli.folder) == ["tiny.yaml"]


def test_a_limit_is_exact_and_can_be_raised(cli: CommandLine) -> None:
    assert cli("check", "tiny.yaml", "--set", f"limits.round_batches={ROUND}").code in (0, None)
    refused = cli("check", "tiny.yaml", "--set", f"limits.round_batches={ROUND - 1}")
    assert_refused(refused, f"training: makes {ROUND} batches a round", "limits.round_batches")
    assert cli("check", "tiny.yaml", "--set", f"limits.run_batches={RUN}").code in (0, None)
    refused = cli("check", "tiny.yaml", "--set", f"limits.run_batches={RUN - 1}")
    assert_refused(
        refused, f"training.rounds: makes {RUN} batches in all (4 a round, 6 rounds)", "run_batches"
    )


def test_too_many_rounds_are_refused(cli: CommandLine) -> None:
    answer = cli.run("training.rounds=1000000000")
    assert_refused(answer, "training.rounds: makes 8,000,000,000 batches in all", "run_batches")


@pytest.mark.parametrize(
    ("topology", "words"),
    [
        (
            "{three_tier: {server: {device: server-8-core, slots: 1}, regions: [{count: 1000000,"
            " link: 4g, edge_nodes: [{count: 1000000, link: 4g, clients: [{device: raspberry-pi-4b,"
            " link: 4g}]}]}]}}",
            ["has 1,000,000,000,000 clients", "1,000,000 of limits.clients"],
        ),
        (
            "{mesh: {server: {device: server-8-core, slots: 1}, sites: 1000, link: 4g,"
            " clients: [{device: raspberry-pi-4b, link: 4g}]}}",
            ["has 499,500 links", "200,000 of limits.links"],
        ),
        (
            "{graph: {server: {device: server-8-core, slots: 1}, nodes: {a: {client: {device:"
            " raspberry-pi-4b, count: 1000}}, b: {client: {device: raspberry-pi-4b, count: 1000}}},"
            " edges: [{from: a, to: b, link: 4g}, {from: b, to: server, link: 4g}]}}",
            ["has 1,001,000 links", "limits.links"],
        ),
    ],
)
def test_too_large_fleets_are_refused_before_they_are_built(
    topology: str, words: list[str], cli: CommandLine
) -> None:
    answer = cli.run(f"topology={topology}", "data={dataset: cifar10}")
    assert_refused(answer, "topology: ", *words)


def test_a_round_with_too_many_rate_changes_ends_with_a_message(cli: CommandLine) -> None:
    # 4 batches may take at least 160 events; the uplink needs about 4e9 steps of a millisecond.
    walk = "{lognormal: {mean: 1 bit/s, cv: 0.5, step: 1 ms, correlation: 0.9}}"
    link = f"topology.star.clients.0.link={{up: {walk}, down: 10 Mbit/s, delay: 5 ms}}"
    answer = cli("check", "tiny.yaml", "--set", link, "--set", "limits.round_events=3000")
    assert answer.code == 2
    assert answer.err.startswith("splitfed, round 0: takes more than 3,000 events up to a virtual ")
    assert "raise limits.round_events to allow more" in answer.err


def test_a_clock_counts_the_events_of_each_round() -> None:
    clock = Clock(round_events=10)

    def ticks(count: int) -> object:
        for _ in range(count):
            yield clock.timeout(1.0)

    # The start and the end of a process are an event each.
    clock.play(clock.process(ticks(8)))
    assert clock.events == 10
    clock.rebase(8.0)
    clock.play(clock.process(ticks(8)))
    assert clock.events == 20
    clock.rebase(8.0)
    # After two rounds of 8 s the eleventh event would be the tenth tick, 9 s into the third.
    with pytest.raises(
        TooManyEventsError, match="more than 10 events up to a virtual time of 25 s"
    ):
        clock.play(clock.process(ticks(10)))


def test_limits_do_not_change_results(cli: CommandLine) -> None:
    assert cli("run", "tiny.yaml", "--executor", "none", "--out", "a").code == 0
    wide = ["--set", "limits={round_events: 1000000000, run_batches: 1000000000000}"]
    assert cli("run", "tiny.yaml", "--executor", "none", "--out", "b", *wide).code == 0
    a, b = (summary(cli.folder / name)["methods"] for name in "ab")
    assert a == b


def test_a_profile_without_a_rate_is_reported_at_its_device(cli: CommandLine) -> None:
    figure = "{value: 1 us, status: guess, note: x}"
    fast = "{value: 1 GB/s, status: guess, note: x}"
    (cli.folder / "p.yaml").write_text(
        "description: x\nsources: [x]\nrates: {linear: {forward: 1 GFLOP/s, backward: 1 GFLOP/s,"
        f" status: guess, note: x}}}}\nmemory_bandwidth: {fast}\noptimizer_bandwidth: {fast}\n"
        f"layer_overhead: {figure}\niteration_overhead: {figure}\nloader_per_iteration: {figure}\n",
        encoding="utf-8",
    )
    answer = cli.run("devices={mine: {profile: p.yaml}}", "topology.star.clients.0.device=mine")
    assert answer.code == 2
    assert "device 'mine' has no rate for 'conv_input' operations" in answer.err
    assert files(cli.folder) == ["p.yaml", "tiny.yaml"]
