"""Jitter keeps its mean, throttling slows down, and prefetching hides the loader."""

from statistics import fmean, stdev

import pytest
from command_line import CommandLine, assert_refused
from small_scenarios import STAR, scenario

from cutlayer import run
from cutlayer.sim.compute.stage import Work
from cutlayer.sim.compute.variability import Variability, VariabilitySettings
from cutlayer.streams import generator
from cutlayer.topologies import catalogue
from cutlayer.topologies.jitter import Jitter


def played(folder, computing="", *, method="classic_fl", rounds=1, seed=0, stack=""):
    changes = [f"training.rounds={rounds}", f"methods=[{method}]", f"seed={seed}"]
    changes += [f"computing=[{computing}]"] if computing else []
    changes += [f"topology.star.clients.0.stack={stack}"] if stack else []
    (result,) = run(scenario(folder, STAR, *changes), executor="none", log="events")
    (method,) = result.methods.values()
    return method


def variability(**settings) -> Variability:
    return Variability(VariabilitySettings(**settings), generator(0, "test"), 0.0)


@pytest.mark.parametrize("kind", ["lognormal", "gamma", "uniform"])
def test_jitter_keeps_the_mean_and_is_never_negative(kind):
    varying = variability(jitter=Jitter(kind, 0.5))
    times = [varying.of(Work(2.0, 7.0), 0.0).seconds for _ in range(4000)]
    assert min(times) >= 0
    assert stdev(times) > 0.4
    assert abs(fmean(times) - 2.0) < 3.3 * stdev(times) / 4000**0.5
    assert varying.of(Work(2.0, 7.0), 0.0).flops == 7.0


def test_rounds_vary_around_the_times_without_jitter(tmp_path):
    plain = played(tmp_path).rounds[0].round_time_s
    many = played(
        tmp_path, "{clients: raspberry-pi-4b-0, variability: {lognormal: 0.2}}", rounds=60
    )
    uses = many.devices["raspberry-pi-4b-0"], many.devices["raspberry-pi-4b-1"]
    assert uses[0].compute_s == pytest.approx(uses[1].compute_s, rel=0.08)
    assert (
        len({r.round_time_s for r in many.rounds}) > 15
    )  # those in which the varied device was the slower one
    assert min(r.round_time_s for r in many.rounds) >= plain - 1e-9  # the other is never faster


def test_a_draw_depends_on_seed_client_and_round(tmp_path):
    both = "{clients: raspberry-pi-4b, variability: {lognormal: 0.2}}"
    one = played(tmp_path, "{clients: raspberry-pi-4b-0, variability: {lognormal: 0.2}}", rounds=3)
    two = played(tmp_path, both, rounds=3)
    name = "raspberry-pi-4b-0"
    assert one.devices[name].compute_s == two.devices[name].compute_s
    assert played(tmp_path, both, rounds=3, seed=1).devices[name] != two.devices[name]


def test_a_throttled_device_is_slower_from_a_given_time_on(tmp_path):
    plain = played(tmp_path, rounds=6)
    length = plain.rounds[0].round_time_s
    hot = played(
        tmp_path,
        f"{{clients: raspberry-pi-4b, throttle: {{after: {2.999 * length} s, slowdown: 2.0}}}}",
        rounds=6,
    )
    before, after = hot.rounds[:3], hot.rounds[3:]
    assert [r.round_time_s for r in before[:2]] == pytest.approx([length] * 2)
    compute = plain.devices["raspberry-pi-4b-0"].compute_s / 6
    for r in after:
        assert r.round_time_s == pytest.approx(length + compute)


def test_prefetching_hides_the_loader_behind_the_computing():
    # Loading takes 3, the rest 2: the first batch waits for all of its loading, the others for the rest.
    ahead = variability(prefetch=True)
    load, work = Work(3.0, 0.0), Work(5.0, 0.0)
    now, spans = 0.0, []
    for _ in range(3):
        spans.append(ahead.of_batch(work, load, now).seconds)
        now += spans[-1]
    assert spans == [5.0, 3.0, 3.0]
    # If the device waits in between, the batch is ready.
    assert ahead.of_batch(work, load, now + 10).seconds == 2.0
    assert variability().of_batch(work, load, 0.0).seconds == 5.0


def test_a_device_that_overlaps_computes_while_it_sends(tmp_path):
    """Local loss: a round is not shorter than its device computes, nor than it sends."""
    alone = {"rounds": 1}
    plain = played(tmp_path, method="local_loss", **alone)
    ahead = played(
        tmp_path, "{clients: raspberry-pi-4b, overlap: true}", method="local_loss", **alone
    )
    (before,), (after,) = plain.rounds, ahead.rounds
    path = before.critical_path_s
    assert after.round_time_s < before.round_time_s
    assert after.round_time_s >= max(path["device_compute"], path["uplink"]) * (1 - 1e-9)
    assert ahead.wire_bytes == plain.wire_bytes
    assert ahead.learning_digest == plain.learning_digest


def test_splitfed_waits_for_its_gradients_and_gains_nothing_by_overlap(tmp_path):
    overlap = "{clients: raspberry-pi-4b, overlap: true}"
    plain = played(tmp_path, method="splitfed", rounds=1)
    ahead = played(tmp_path, overlap, method="splitfed", rounds=1)
    assert ahead.virtual_time_s == pytest.approx(plain.virtual_time_s, rel=1e-12)


@pytest.mark.parametrize(
    "method", ["classic_fl", "splitfed", "local_loss", "fedgkt", "{ecofed: {init: random}}"]
)
def test_prefetching_never_makes_a_round_longer(tmp_path, method):
    stack = "pytorch-jpeg-loader"
    loading = 10 * catalogue.stack(stack).loader_s_per_sample
    prefetch = "{clients: raspberry-pi-4b, prefetch: true}"
    plain = played(tmp_path, method=method, rounds=2, stack=stack)
    ahead = played(tmp_path, prefetch, method=method, rounds=2, stack=stack)
    saved = plain.virtual_time_s - ahead.virtual_time_s
    # Of four batches a round all but the first, in two rounds, for two devices if one waits for another.
    assert 0 <= saved <= 2 * 3 * 1.0001 * loading * 2
    assert saved > 0 or method.startswith("{ecofed")
    assert ahead.learning_digest == plain.learning_digest
    assert ahead.event_digest != plain.event_digest


@pytest.mark.parametrize(
    ("computing", "words"),
    [
        ("{clients: raspberry-pi-4b}", ["computing.0", "at least one of variability, throttle"]),
        ("{clients: raspberri, prefetch: true}", ["computing.0.clients", "neither a group"]),
        (
            "{clients: raspberry-pi-4b, throttle: {after: 1 s, slowdown: 0.5}}",
            ["computing.0.throttle.slowdown", "greater than 1"],
        ),
        (
            "{clients: raspberry-pi-4b, prefetch: true}, {clients: raspberry-pi-4b-1, prefetch: true}",
            ["computing.1.clients", "raspberry-pi-4b-1 is already set"],
        ),
    ],
)
def test_bad_sections_are_refused(computing, words, cli: CommandLine):
    assert_refused(cli.run(f"computing=[{computing}]"), *words)
