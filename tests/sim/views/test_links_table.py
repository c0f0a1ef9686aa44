"""The links on the terminal: the narrowest first, access links told of together."""

import io

import pytest
from hand_made import HELD_S, method, run_of
from rich.console import Console

from cutlayer.sim.log.link_use import LinkTotals
from cutlayer.sim.views.links_table import link_groups
from cutlayer.sim.views.names import natural_order, numberless, together
from cutlayer.sim.views.table import print_table


def printed(result, width=80):
    buffer = io.StringIO()
    print_table(result, Console(file=buffer, width=width))
    text = buffer.getvalue()
    return text[text.index("Bottleneck links") : text.index("Times, bytes")]


def lines(result, width=80):
    rows = printed(result, width).splitlines()
    first = next(i for i, row in enumerate(rows) if set(row.strip()) == {"─"}) + 1
    return [row.rstrip() for row in rows[first:] if row.strip()]


def with_link(result, name, clients, held_s, share, peak=1):
    """Add a link of 1 byte/s of which a share was used; bytes and flows do not matter."""
    elapsed = result.virtual_time_s
    result.links[name] = LinkTotals(1, share * elapsed, elapsed, elapsed, peak, held_s * elapsed)
    result.capacity_s[name] = elapsed
    result.link_clients[name] = clients
    return result


def bare(label="splitfed", **options):
    result = method(label, **options)
    result.links.clear()
    return result


def test_links_of_the_record():
    result = method("splitfed", rounds=2, clients=3)
    groups = {group.names: group for group in link_groups([result])}
    access = {
        direction: tuple(f"pi-{i}.{direction}" for i in (1, 2, 3)) for direction in ("up", "down")
    }
    assert set(groups) == {("cell",), *access.values()}
    round_s = result.rounds[0].round_time_s
    for group in groups.values():
        assert group.most("bottleneck_share") == pytest.approx(HELD_S / round_s)
    assert groups[access["up"]].most("utilisation") == pytest.approx(2 * 2.0 / 2.0 / round_s / 1)
    assert groups[access["up"]].most("mean_flows") == pytest.approx(2 * 2.0 / round_s)


def test_access_links_share_a_line_with_their_mean_and_the_largest():
    result = bare()
    for number in range(40):
        with_link(result, f"pi-{number}.up", 1, 0.4 if number == 7 else 0.1, 0.2)
    (line,) = lines(run_of(result))
    assert line.split() == ["splitfed", "pi-N.up", "(40)", "11", "(40)", "20", "1.0,", "1"]


def test_links_that_several_clients_use_are_never_taken_together():
    result = bare()
    for number in range(2):
        with_link(result, f"edge-{number}.up", 4, 0.5 - 0.1 * number, 0.9, peak=3)
    assert [line.split() for line in lines(run_of(result))] == [
        ["splitfed", "edge-0.up", "50", "90", "1.0,", "3"],
        ["edge-1.up", "40", "90", "1.0,", "3"],
    ]


@pytest.mark.parametrize(("methods", "most"), [(1, 5), (3, 5), (4, 3)])
def test_few_links_are_shown_the_narrowest_first(methods, most):
    results = [bare(f"m{i}") for i in range(methods)]
    for result in results:
        for number in range(10):
            with_link(result, f"edge-{number}.up", 2, 0.05 * number + 0.02, 0.5)
    shown = lines(run_of(*results))
    assert len(shown) == methods * most
    assert [line.split()[-5] for line in shown[:most]] == [f"edge-{9 - i}.up" for i in range(most)]


def test_of_links_that_hold_nothing_back_the_fullest_is_shown():
    result = with_link(with_link(bare(), "a.up", 2, 0.0, 0.1), "b.up", 2, 0.009, 0.3)
    with_link(result, "c.up", 2, 0.009, 0.4)
    (line,) = lines(run_of(result))
    assert line.split() == ["splitfed", "c.up", "0.9", "40", "1.0,", "1"]


def test_seeds_are_averaged():
    results = [with_link(bare(seed=seed), "a.up", 2, 0.2 + 0.2 * seed, 0.5) for seed in (0, 1)]
    runs = [run_of(result, seed=seed) for seed, result in enumerate(results)]
    (line,) = lines(runs, 120)
    # Half width: 12.7062 (t, 1 degree of freedom) x 10 points.
    assert line.split()[:5] == ["splitfed", "a.up", "30", "±", "127"]


def test_lines_fit_and_no_link_is_no_table():
    result = with_link(bare(), "a-very-long-name-of-a-link-" * 5, 2, 0.5, 0.5)
    assert max(len(line) for line in printed(run_of(result)).splitlines()) <= 80
    buffer = io.StringIO()
    print_table(run_of(bare()), Console(file=buffer, width=80))
    assert "Bottleneck links" not in buffer.getvalue()


def test_names():
    assert sorted(["pi-10", "pi-2"], key=natural_order) == ["pi-2", "pi-10"]
    long = "9" * 5000  # a label of a network's file: Python makes no integer of it
    assert sorted([long, "10", "9", "a"], key=natural_order) == ["9", "10", long, "a"]
    assert numberless("edge-3.raspberry-pi-4b-12.up") == "edge-.raspberry-pi-4b-.up"
    assert together(["pi-3b-plus-0.up", "pi-3b-plus-1.up"]) == "pi-3b-plus-N.up (2)"
    assert together(["far.up"]) == "far.up"
