"""Varying links, changes and availability: every form, its round trip, and its problems."""

import pytest
from test_scenario_forms import round_trip

from cutlayer.scenarios import bandwidth
from cutlayer.topologies.bandwidth import Lognormal, TwoStates
from cutlayer.topologies.jitter import Jitter

OLD = "up: 10 Mbit/s, down: 25 Mbit/s, delay: 25 ms"


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lte.up").write_text("10\n10\n200\n", encoding="utf-8")
    (tmp_path / "walk.csv").write_text("seconds,bytes_per_second\n0,500\n2,600\n", encoding="utf-8")
    (tmp_path / "bad.csv").write_text("0,5\n0,6\n", encoding="utf-8")
    (tmp_path / "here.csv").write_text(
        "client,online_from_s,online_until_s\na,0,10\nb,5,20\n", encoding="utf-8"
    )


@pytest.fixture
def link_with(small, read, known):
    """The first group's link with a given text, after a round trip through the resolved form."""

    def reading(written):
        loaded = read(small.replace(OLD, written))
        again = round_trip(loaded, known)
        assert again.written() == loaded.resolved()
        return again.topology.clients[0].link

    return reading


def up(link_with, written):
    return link_with(f"up: {written}, down: 25 Mbit/s, delay: 25 ms").up


def test_a_recording_has_all_its_defaults_in_the_resolved_form(link_with):
    trace = up(link_with, "{trace: lte.up}")
    assert (trace.format, trace.step, trace.scale, trace.start) == ("mahimahi", 0.1, 1, "random")
    assert trace.varying().mean_bytes_per_s == pytest.approx(3 * 1500 / 0.2)
    trace = up(link_with, "{trace: walk.csv}")
    assert (trace.format, trace.step, trace.start, trace.repeat) == ("csv", None, 0.0, None)
    assert up(link_with, "{trace: walk.csv, repeat: 4 s}").start == "random"


def test_a_recording_can_be_scaled_and_start_at_a_given_time(link_with):
    trace = up(link_with, "{trace: walk.csv, scale: 2, start: 1 s, repeat: 4 s}")
    profile = trace.varying().profile(0, "a", "a")
    assert [profile.piece(t) for t in (0.0, 1.0, 3.0)] == [(1000, 1), (1200, 3), (1000, 5)]
    trace = up(link_with, "{trace: lte.up, step: 1 ms, format: mahimahi, start: 0 s}")
    assert trace.varying().profile(0, "a", "a").piece(0.0095) == pytest.approx((3e6, 0.01))


def test_random_rates(link_with):
    written = "{markov: {good: 8 kB/s, bad: 0 bit/s, good_for: 10 s, bad_for: 1 min}}"
    assert up(link_with, written).varying() == TwoStates(8000.0, 0.0, 10.0, 60.0)
    written = "{lognormal: {mean: 8 kB/s, cv: 0.5, step: 1 s, correlation: 0.9}}"
    assert up(link_with, written).varying() == Lognormal(8000.0, 0.5, 0.9, 1.0)
    written = "{lognormal: {mean: 8 kB/s, cv: 0.5, step: 1 s, correlation_time: 10 s}}"
    assert up(link_with, written).varying().correlation == pytest.approx(0.904837418)


def test_a_schedule(link_with):
    written = "{steps: [{at: 0 s, rate: 8 kB/s}, {at: 5 s, rate: 0 bit/s}], repeat: 10 s}"
    profile = up(link_with, written).varying().profile(0, "a", "a")
    assert [profile.piece(t) for t in (0.0, 5.0, 12.0)] == [(8000, 5), (0, 10), (8000, 15)]


def test_one_rate_for_both_directions_and_the_medium_of_a_cell(link_with, small, read, known):
    assert isinstance(
        link_with("rate: {trace: walk.csv}, delay: 1 ms, duplex: half").rate, bandwidth.TraceRate
    )
    star, _, methods = small.partition("methods:")
    head = star[: star.index("  star:")]
    cell = (
        "  wifi_cell:\n    server: {device: server-8-core, slots: 1}\n    delay: 1 ms\n"
        "    rate: {trace: walk.csv}\n    clients: [{device: raspberry-pi-4b, count: 5}]\n"
    )
    loaded = read(f"{head}{cell}methods:{methods}")
    assert round_trip(loaded, known).written() == loaded.resolved()
    assert isinstance(loaded.scenario.topology.rate, bandwidth.TraceRate)


@pytest.mark.parametrize(
    ("written", "jitter"),
    [
        ("{lognormal: 0.3}", Jitter("lognormal", 0.3)),
        ("{gamma: {cv: 1}}", Jitter("gamma", 1)),
        ("{uniform: 1}", Jitter("uniform", 1)),
    ],
)
def test_jitter(link_with, written, jitter):
    assert link_with(f"{OLD}, jitter: {written}").jitter.jitter() == jitter
    assert link_with(f"name: 4g, jitter: {written}").jitter.jitter() == jitter
    assert link_with(OLD).jitter is None


@pytest.mark.parametrize(
    ("written", "loss"), [("0", 0), ("0.01", 0.01), ("0.3 %", 0.003), ("'5%'", 0.05)]
)
def test_loss(link_with, written, loss):
    assert link_with(f"{OLD}, loss: {written}").loss == loss


CHANGES = """\
changes:
  - {at: 90 s, clients: raspberry-pi-4b, up: 5 Mbit/s, down: 0 bit/s}
  - {at: 60 s, clients: raspberry-pi-4b-1, rate: 1 kB/s}
  - {at: 0 s, link: raspberry-pi-4b-0.up, rate: 0 bit/s}
"""
AVAILABILITY = """\
availability:
  - {clients: a, offline: [{from: 60 s, until: 90 s}], repeat: 10 min, on_disconnect: drop}
  - {clients: b, trace: here.csv, match: position, on_disconnect: resume}
  - {clients: c, markov: {online: 10 min, offline: 2 min}, on_disconnect: resume}
"""


@pytest.mark.parametrize("section", [CHANGES, AVAILABILITY])
def test_sections_come_back(small, read, known, section):
    loaded = read(small + section)
    assert len(loaded.scenario.changes + loaded.scenario.availability) == 3
    assert round_trip(loaded, known).written() == loaded.resolved()


def test_changes_are_in_the_order_of_the_file(small, read):
    changes = read(small + CHANGES).scenario.changes
    assert [change.at for change in changes] == [90, 60, 0]
    assert (changes[0].up, changes[0].down, changes[1].rate) == (625000, 0, 1000)


TRACES = "one of trace, markov, lognormal and steps"
LINK_ERRORS = [
    ("{trace: nowhere}", "up: nowhere does not exist"),
    ("{trace: bad.csv}", "up: bad.csv, line 2: expected a time after the one in the line above"),
    ("{trace: walk.csv, step: 1 s}", "up: has a step, which is allowed in the format mahimahi"),
    ("{trace: lte.up, repeat: 3 s}", "up: has a repeat, but a trace in the format mahimahi"),
    ("{trace: walk.csv, repeat: 2 s}", "up: walk.csv, line 3: expected a time before its repeat"),
    ("{trace: walk.csv, start: random}", "up: starts at random and so needs a repeat"),
    ("{trace: lte.up, step: 1 us}", 'up.step: must be at least 1 ms (got "1 us")'),
    ("{trace: lte.up, scale: 0}", "up.scale: must be greater than 0 (got 0)"),
    ("{trace: lte.up, fromat: csv}", "up.fromat: is an unknown key; did you mean 'format'?"),
    ("{trace: lte.up, format: cvs}", "up.format: must be mahimahi or csv; did you mean 'csv'?"),
    ("{trce: lte.up}", f"up: must be a rate, such as '10 Mbit/s', or have {TRACES}"),
    ("{trace: lte.up, steps: []}", f"up: must be a rate, such as '10 Mbit/s', or have {TRACES}"),
    (
        "{markov: {good: 1 Mbit/s, bad: 0 bit/s, good_for: 1 ns, bad_for: 1 ns}}",
        "up.markov: changes 1e+09 times a second on average: at most 1,000 are simulated",
    ),
    (
        "{steps: [{at: 0 s, rate: 1 MB/s}, {at: 1 us, rate: 2 MB/s}], repeat: 2 us}",
        "up: changes 1e+06 times a second on average: at most 1,000 are simulated",
    ),
    ("{trace: lte-synthetic, scale: 1.0e+20}", "up: has a scale that makes its highest rate less"),
    ("{trace: lte-synthetic, scale: 1.0e-20}", "up: has a scale that makes its highest rate less"),
    ("{markov: {good: 0 bit/s, bad: 0 bit/s, good_for: 1 s, bad_for: 1 s}}", "up.markov.good: the"),
    ("{markov: {good: 8 B/s, bad: 0 bit/s, good_for: 1 s, bad_for: 0 s}}", "bad_for: must be grea"),
    ("{lognormal: {mean: 8 B/s, cv: 11, step: 1 s, correlation: 0}}", "cv: must be at most 10"),
    ("{lognormal: {mean: 8 B/s, cv: 1, step: 1 s, correlation: 1}}", "on: must be less than 1"),
    ("{lognormal: {mean: 8 B/s, cv: 1, step: 1 s}}", "must have one of correlation and correlati"),
    ("{steps: [{at: 1 s, rate: 8 B/s}]}", "up: must begin with a step at 0 s"),
    ("{steps: [{at: 0 s, rate: 8 B/s}, {at: 0 s, rate: 9 B/s}]}", "up: must have each step later"),
    ("{steps: [{at: 0 s, rate: 0 bit/s}]}", "up: must have a step with a rate above 0"),
    ("{steps: [{at: 0 s, rate: 8 B/s}], repeat: 0 s}", "repeat: must be greater than 0"),
    ("{steps: [{at: 0 s, rate: unlimited}]}", "up.steps.0.rate: must be limited here"),
    ("0 bit/s", "up: the rate '0 bit/s' must be greater than 0"),
    ("9 B/s, loss: 1", "loss: must be 0 or more and below 1 (100 %) (got 1)"),
    ("9 B/s, loss: 100 %", 'loss: must be 0 or more and below 1 (100 %) (got "100 %")'),
    ("9 B/s, loss: few", "loss: must be a probability, such as 0.001 or '0.1 %' (got \"few\")"),
    ("9 B/s, jitter: {uniform: 1.5}", "jitter.uniform: must be at most 1 (got 1.5)"),
    ("9 B/s, jitter: {normal: 1}", 'jitter: has the unknown choice "normal"; did you mean'),
    ("9 B/s, duplex: half", "rate: is required"),
]


@pytest.mark.parametrize(("written", "said"), LINK_ERRORS)
def test_a_bad_rate_is_one_sentence(small, problems, written, said):
    found = problems(small.replace("up: 10 Mbit/s", f"up: {written}"))
    assert any(said in problem for problem in found), found
    assert all(problem.startswith("s.yaml:16: topology.star.clients.0.link") for problem in found)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("name: fedfly-75", "has no known delay"),
        ("name: 4g, up: 3 Mbit/s", "link.up: is not allowed here"),
    ],
)
def test_a_bad_link_of_the_catalogue(small, problems, written, said):
    (problem,) = problems(small.replace(OLD, written))
    assert said in problem


SECTION_ERRORS = [
    ("changes: [{at: 1 s, clients: a}]", "changes.0: must have up, down or both, or else rate"),
    ("changes: [{at: 1 s, clients: a, up: 8 B/s, rate: 8 B/s}]", "changes.0: must have up, down"),
    ("changes: [{at: 1 s}]", "changes.0: must have clients (with up, down or rate) or a link"),
    ("changes: [{at: 1 s, link: a, clients: a, rate: 8 B/s}]", "changes.0: must have clients (wi"),
    ("changes: [{at: 1 s, link: a, rate: 8 B/s, up: 8 B/s}]", "changes.0.up: is not allowed here"),
    ("changes: [{at: 1 s, link: a, rate: unlimited}]", "changes.0.rate: must be limited here"),
    ("changes: [5]", "changes.0: must have clients (with up, down or rate) or a link"),
    (
        "availability: [{clients: a, on_disconnect: drop}]",
        "availability.0: must have clients, on_disconnect",
    ),
    ("availability: [{clients: a, markov: {}, offline: []}]", "availability.0: must have clients"),
    (
        "availability: [{clients: a, on_disconnect: drop, offline: []}]",
        "offline: must not be empty",
    ),
    (
        "availability: [{clients: a, on_disconnect: lose, markov: {online: 1 s, offline: 1 s}}]",
        "availability.0.on_disconnect: must be drop or resume",
    ),
    (
        "availability: [{clients: a, on_disconnect: drop, markov: {online: 1 us, offline: 1 us}}]",
        "availability.0.markov: changes 1e+06 times a second on average: at most 1,000 are",
    ),
    (
        "availability: [{clients: a, on_disconnect: drop, "
        "offline: [{from: 0 s, until: 1 us}], repeat: 4 us}]",
        "availability.0: changes 5e+05 times a second on average: at most 1,000 are simulated",
    ),
    (
        "availability: [{clients: a, on_disconnect: drop, offline: [{from: 1 s, until: 1 s}]}]",
        "availability.0.offline.0: must have an until after its from",
    ),
    (
        "availability: [{clients: a, on_disconnect: drop, "
        "offline: [{from: 0 s, until: 5 s}], repeat: 4 s}]",
        "availability.0: must repeat after the end of every window",
    ),
    (
        "availability: [{clients: a, on_disconnect: drop, offline: [{from: 3 s, until: 5 s}, "
        "{from: 0 s, until: 4 s}], repeat: 5 s}]",
        "availability.0: must leave some time online",
    ),
    (
        "availability: [{clients: a, on_disconnect: drop, trace: bad.csv}]",
        "availability.0: bad.csv, line 1: expected client,online_from_s,online_until_s, got '0,5'",
    ),
    (
        "availability: [{clients: a, on_disconnect: drop, trace: here.csv, repeat: 19 s}]",
        "availability.0: must repeat after the last time of here.csv, 20 s",
    ),
]


@pytest.mark.parametrize(("written", "said"), SECTION_ERRORS)
def test_a_bad_section_is_one_sentence(small, problems, written, said):
    found = problems(f"{small}{written}\n")
    assert any(said in problem for problem in found), found
    assert all(problem.startswith("s.yaml:22: ") for problem in found)
