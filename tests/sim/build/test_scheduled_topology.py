"""The sections `changes` and `availability`, applied to the clients and links of a topology."""

from itertools import pairwise
from math import inf

import pytest
from small_scenarios import read

from cutlayer.scenarios import Loaded, ScenarioError
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.checks import plan_checked
from cutlayer.sim.build.clients import availability
from cutlayer.sim.build.plan import make_plan
from cutlayer.sim.build.topology import make_topology
from cutlayer.sim.run.run import run
from cutlayer.topologies import Topology
from cutlayer.topologies.bandwidth import Profile

HEAD = """\
name: scheduled
data: {dataset: digits, test_fraction: 0.2}
model: {name: lenet, cut: 1}
training: {rounds: 2, batch_size: 100, optimizer: {name: sgd, lr: 0.05}}
methods: [classic_fl]
topology:
"""
STAR = """\
  star:
    server: {device: server-8-core, slots: 1, link: {up: 1 MB/s, down: unlimited, delay: 1 ms}}
    clients:
      - {device: raspberry-pi-4b, count: 2, name: pi, link: {up: 100 kB/s, down: 200 kB/s, delay: 0 s}}
      - {device: laptop-8-core, name: pi-far, link: {rate: 50 kB/s, delay: 0 s, duplex: half}}
"""
MEDIUM = STAR + "    medium: {rate: 100 kB/s}\n"
CELL = """\
  wifi_cell:
    server: {device: server-8-core, slots: 1}
    rate: 400 kB/s
    delay: 1 ms
    clients: [{device: raspberry-pi-4b, count: 2, name: pi}]
"""
VARYING_CELL = CELL.replace("400 kB/s", "{steps: [{at: 0 s, rate: 400 kB/s}]}")
AIRTIME = CELL.replace("    rate: 400 kB/s\n", "").replace("name: pi", "name: pi, rate: 90 kB/s")
GRAPH = """\
  graph:
    server: {device: server-8-core, slots: 1}
    nodes: {pi: {client: {device: raspberry-pi-4b, count: 2}}, hub: relay}
    media: {air: {rate: 300 kB/s}}
    edges:
      - {from: hub, to: server, link: {up: 400 kB/s, down: 500 kB/s, delay: 5 ms}}
      - {from: pi, to: hub, medium: air, delay: 1 ms}
"""


def scheduled(topology_text: str, section: str = "") -> Loaded:
    return read(HEAD + topology_text + section)


def topology(written: str, changes: str = "") -> Topology:
    section = f"changes: [{changes}]\n" if changes else ""
    return make_topology(scheduled(written, section).scenario, 0)


def steps(profile: Profile) -> list[tuple[float, float]]:
    """The start and the value of each piece."""
    starts, t = [], 0.0
    while t < inf:
        value, end = profile.piece(t)
        starts.append((t, value))
        t = end
    return starts


def test_a_change_of_a_group_affects_exactly_its_clients():
    changed = topology(
        STAR,
        "{at: 90 s, clients: pi, up: 10 kB/s, down: 20 kB/s}, {at: 60 s, clients: pi, up: 0 bit/s}",
    )
    for client in ("pi-0", "pi-1"):
        assert steps(changed.profiles[f"{client}.up"]) == [(0, 1e5), (60, 0), (90, 1e4)]
        assert steps(changed.profiles[f"{client}.down"]) == [(0, 2e5), (90, 2e4)]
    assert len(changed.profiles) == 4
    assert changed.resources == topology(STAR).resources


def test_a_change_at_zero_holds_from_the_start():
    assert topology(STAR, "{at: 0 s, clients: pi-1, up: 0 bit/s}").resources["pi-1.up"] == 0


def test_one_rate_changes_both_directions_or_a_half_duplex_link():
    changed = topology(STAR, "{at: 5 s, clients: pi, rate: 7 kB/s}")
    assert {
        changed.profiles[f"pi-0.{direction}"].piece(5.0)[0] for direction in ("up", "down")
    } == {7000}
    changed = topology(STAR, "{at: 5 s, clients: pi-far, rate: 7 kB/s}")
    assert {name: steps(p) for name, p in changed.profiles.items()} == {
        "pi-far.link": [(0, 5e4), (5, 7e3)]
    }


def test_a_link_changes_by_its_name():
    changed = topology(STAR, "{at: 5 s, link: server.up, rate: 7 kB/s}")
    assert steps(changed.profiles["server.up"]) == [(0, 1e6), (5, 7e3)]


def test_a_cell_can_become_faster_than_its_stations_were():
    changed = topology(CELL, "{at: 5 s, link: cell, rate: 900 kB/s}")
    assert {name: steps(p) for name, p in changed.profiles.items()} == {
        "cell": [(0, 4e5), (5, 9e5)]
    }
    assert changed.resources.keys() == {"cell"}
    changed = topology(GRAPH, "{at: 5 s, link: air, rate: 900 kB/s}")
    assert changed.profiles.keys() == {"air"}
    assert changed.resources.keys() == {"air", "hub->server", "server->hub"}


def test_a_faster_medium_does_not_change_the_rates_of_links():
    star = MEDIUM.split("      - {device: laptop")[0] + "    medium: {rate: 100 kB/s}\n"
    before = topology(star).route("pi-0", "server")
    after = topology(star, "{at: 5 s, link: cell, rate: 900 kB/s}").route("pi-0", "server")
    assert [name for name, _ in before.resources] == ["cell"]
    assert [name for name, _ in after.resources] == ["pi-0.up", "cell"]


def test_a_station_gets_a_limit_of_its_own():
    changed = topology(CELL, "{at: 5 s, clients: pi-0, up: 10 kB/s}")
    assert steps(changed.profiles["pi-0.up"]) == [(0, 4e5), (5, 1e4)]
    assert changed.route("pi-0", "access-point" if "access-point" in changed.nodes else "server")
    assert changed.resources.keys() == {"cell", "pi-0.up"}


def test_in_a_graph_a_client_changes_its_own_links():
    changed = topology(GRAPH, "{at: 5 s, clients: pi, down: 10 kB/s}")
    assert changed.profiles.keys() == {"hub->pi-0", "hub->pi-1"}


ERRORS = [
    (
        STAR,
        "{at: 0 s, clients: po, up: 8 B/s}",
        "changes.0.clients: is neither a group nor a client",
    ),
    (STAR, "{at: 0 s, clients: pi-9, up: 8 B/s}", "nor a client; did you mean 'pi-1'?"),
    (STAR, "{at: 0 s, link: pi-0.op, rate: 8 B/s}", "changes.0.link: is not a link or medium of"),
    (STAR, "{at: 0 s, link: server.pu, rate: 8 B/s}", "topology; did you mean 'server.up'?"),
    (
        STAR,
        "{at: 0 s, link: server.down, rate: 8 B/s}",
        "cannot change server.down: it is unlimited",
    ),
    (STAR, "{at: 0 s, clients: pi-far, up: 8 B/s}", "must have rate: pi-far is on a half-duplex"),
    (
        STAR,
        "{at: 3 s, clients: pi, up: 8 B/s}, {at: 3 s, link: pi-1.up, rate: 9 B/s}",
        "changes.1: gives pi-1.up a second rate for the same time",
    ),
    (
        AIRTIME,
        "{at: 3 s, clients: pi, up: 8 B/s}",
        "cannot change pi-0.up: its stations share airt",
    ),
    (
        AIRTIME,
        "{at: 3 s, link: cell, rate: 8 B/s}",
        "cannot change cell: its stations share airtime",
    ),
    (
        VARYING_CELL,
        "{at: 3 s, clients: pi, up: 8 B/s}",
        "cannot change pi-0.up: only its medium has",
    ),
    (
        CELL,
        "{at: 3 s, clients: pi, up: 8 B/s}, {at: 3 s, link: cell, rate: 9 B/s}",
        "changes: cannot change pi-0.up and cell: only one of them had a rate",
    ),
]


@pytest.mark.parametrize(("where", "written", "said"), ERRORS)
def test_invalid_changes_are_refused(where, written, said):
    with pytest.raises(ScenarioError) as error:
        plan_checked(scheduled(where, f"changes: [{written}]\n"), trains=False)
    assert said in str(error.value)
    assert str(error.value).startswith("s.yaml:")


def present(scenario: Scenario, seed: int = 0) -> dict[str, tuple[Profile, str]]:
    plan = make_plan(scenario, seed)
    return {
        plan.topology.clients[client]: (presence.profile, presence.on_disconnect)
        for client, presence in availability(plan).items()
    }


def presence_of(written: str) -> dict[str, tuple[Profile, str]]:
    return present(scheduled(STAR, f"availability: [{written}]\n").scenario)


def test_all_clients_are_online_by_default():
    assert present(scheduled(STAR).scenario) == {}


def test_offline_windows():
    presences = presence_of(
        "{clients: pi, on_disconnect: drop, offline: "
        "[{from: 5 s, until: 9 s}, {from: 0 s, until: 3 s}, {from: 6 s, until: 7 s}, "
        "{from: 8 s, until: 10 s}]}"
    )
    assert presences.keys() == {"pi-0", "pi-1"}
    profile, on_disconnect = presences["pi-1"]
    assert on_disconnect == "drop"
    assert steps(profile) == [(0, 0), (3, 1), (5, 0), (10, 1)]


def test_offline_windows_repeat():
    window = "{from: 8 s, until: 10 s}"
    profile, _ = presence_of(
        f"{{clients: pi-0, on_disconnect: resume, offline: [{window}], repeat: 10 s}}"
    )["pi-0"]
    assert [profile.piece(t) for t in (0.0, 8.0, 10.0, 19.0)] == [(1, 8), (0, 10), (1, 18), (0, 20)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = "client,online_from_s,online_until_s\npi-1,5,9\npi-0,0,10\npi-1,8,20\n"
    (tmp_path / "here.csv").write_text(lines, encoding="utf-8")


@pytest.mark.usefixtures("here")
def test_a_recording_by_name_and_by_position():
    presences = presence_of("{clients: pi, on_disconnect: drop, trace: here.csv}")
    assert steps(presences["pi-0"][0]) == [(0, 1), (10, 0)]
    assert steps(presences["pi-1"][0]) == [(0, 0), (5, 1), (20, 0)]
    presences = presence_of(
        "{clients: pi, on_disconnect: drop, trace: here.csv, match: position, repeat: 20 s}"
    )
    assert [presences["pi-0"][0].piece(t) for t in (6.0, 20.0, 25.0)] == [(1, 20), (0, 25), (1, 40)]
    assert presences["pi-1"][0].piece(9.0) == (1, 10)


def test_random_presence_is_independent_by_client():
    section = (
        "availability: [{clients: pi, on_disconnect: drop, markov: {online: 9 s, offline: 3 s}}]\n"
    )
    presences, again = (present(scheduled(STAR, section).scenario) for _ in range(2))
    other = present(scheduled(STAR, section).scenario, seed=1)
    t, online_s = 0.0, 0.0
    while t < 20_000:
        online, end = presences["pi-0"][0].piece(t)
        online_s += online * (end - t)
        t = end
    assert abs(online_s / t - 9 / (9 + 3)) < 0.03  # more than 4 standard deviations

    def looks(profiles, client):
        return [profiles[client][0].piece(float(t)) for t in range(0, 500, 7)]

    assert {value for value, _ in looks(presences, "pi-0")} == {0.0, 1.0}
    assert looks(presences, "pi-0") == looks(again, "pi-0")
    assert looks(presences, "pi-0") != looks(presences, "pi-1")
    assert looks(presences, "pi-0") != looks(other, "pi-0")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "{clients: pies, trace: here.csv, on_disconnect: drop}",
            "availability.0.clients: is neither a",
        ),
        ("{clients: pi-far, trace: here.csv, on_disconnect: drop}", "has no line for pi-far"),
        (
            "{clients: pi, trace: here.csv, on_disconnect: drop}, "
            "{clients: pi-1, markov: {online: 1 s, offline: 1 s}, on_disconnect: drop}",
            "availability.1.clients: pi-1 is already set by an earlier entry",
        ),
    ],
)
def test_invalid_availability_is_refused(written, said):
    with pytest.raises(ScenarioError) as error:
        plan_checked(scheduled(STAR, f"availability: [{written}]\n"), trains=False)
    assert said in str(error.value)


def round_times(where: str, section: str = "") -> list[float]:
    (result,) = run(scheduled(where, section), executor="none")
    (method,) = result.methods.values()
    ends = [0.0, *(row.virtual_time_s for row in method.rounds)]
    return [end - begin for begin, end in pairwise(ends)]


def test_a_link_that_becomes_slower_only_affects_later_rounds():
    before = round_times(STAR)
    after = round_times(STAR, f"changes: [{{at: {before[0]} s, clients: pi, rate: 5 kB/s}}]\n")
    assert after[0] == pytest.approx(before[0])
    assert after[1] > 2 * before[1]


def test_an_outage_adds_its_length_and_aborts_no_transfer():
    """The slowest link is down for 1,000 s while the last update of the first round is sent."""
    before = round_times(STAR)
    late = 0.9 * before[0]
    outage = "changes: [{at: %g s, clients: pi-far, rate: 0 bit/s}, {at: %g s, clients: pi-far, "
    section = outage % (late, late + 1000) + "rate: 50 kB/s}]\n"
    after = round_times(STAR, section)
    assert after[0] == pytest.approx(before[0] + 1000, rel=1e-3)
    assert after[1] == pytest.approx(before[1])
