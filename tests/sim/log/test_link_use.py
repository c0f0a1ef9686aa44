"""The use of links in a run, round by round and in total."""

from pathlib import Path

import pytest
from small_scenarios import METHODS, scenario

from cutlayer import run

TIERS = """\
name: tiers
data: {dataset: digits, train_samples: 160, partition: {sizes: 20}}
model: {name: vgg5, cut: 1}
training: {rounds: 4, clients_per_round: 5, batch_size: 10,
           optimizer: {name: sgd, lr: 0.01, momentum: 0.9}}
topology:
  two_tier:
    server: {device: server-8-core, slots: 4}
    edge_nodes:
      - count: 2
        link: {up: 8 Mbit/s, down: 20 Mbit/s, delay: 5 ms}
        clients: [{device: raspberry-pi-4b, count: 4, name: pi, link: 4g}]
"""
CHANGES = """\
changes:
  - {at: 2 s, link: edge-0.up, rate: 2 Mbit/s}
  - {at: 7 s, link: edge-0.up, rate: 16 Mbit/s}
  - {at: 3 s, link: edge-1.pi-0.up, rate: 1 Mbit/s}
"""


@pytest.mark.parametrize("changes", ["", CHANGES], ids=["constant", "changing"])
def test_rounds_add_up_to_the_run(tmp_path: Path, changes: str) -> None:
    (result,) = run(scenario(tmp_path, TIERS + changes + METHODS), executor="none")
    for method in result.methods.values():
        rows = {row["link"]: row for row in method.rows_of("links")}
        for number in (0, 1):
            link = f"edge-{number}.up"
            if link not in rows:
                continue
            begun = [r.virtual_time_s - r.round_time_s for r in method.rounds]
            offered = [
                capacity_s(link, start, r.virtual_time_s, changes)
                for start, r in zip(begun, method.rounds, strict=True)
            ]
            used = sum(
                r.utilisation.get(link, 0.0) * there
                for r, there in zip(method.rounds, offered, strict=True)
            )
            assert used / sum(offered) == pytest.approx(rows[link]["utilisation"])
            assert rows[link]["clients"] == 4


def capacity_s(link: str, since_s: float, until_s: float, changes: str) -> float:
    """Return the bytes that an edge's uplink could carry between two times."""
    pieces = (
        [(0.0, 1e6), (2.0, 0.25e6), (7.0, 2e6)] if changes and link == "edge-0.up" else [(0.0, 1e6)]
    )
    ends = [at for at, _ in pieces[1:]] + [float("inf")]
    return sum(
        rate * max(0.0, min(until_s, end) - max(since_s, at))
        for (at, rate), end in zip(pieces, ends, strict=True)
    )


def test_access_links_count_together_by_direction(tmp_path: Path) -> None:
    text = TIERS + "methods: [splitfed]\n"
    (result,) = run(scenario(tmp_path, text, "training.clients_per_round=8"), executor="none")
    (method,) = result.methods.values()
    rows = {str(row["link"]): row for row in method.rows_of("links")}
    for direction in ("up", "down"):
        access = [row for name, row in rows.items() if ".pi-" in name and name.endswith(direction)]
        assert len(access) == 8
        assert {row["clients"] for row in access} == {1}
        mean = sum(float(row["utilisation"] or 0) for row in access) / 8
        time_s = sum(r.round_time_s for r in method.rounds)
        used = sum(
            r.utilisation[f"access links, {direction}"] * r.round_time_s for r in method.rounds
        )
        assert used / time_s == pytest.approx(mean)
    kept = method.kept[0]
    assert set(kept.links.values()) <= set(rows)
    assert {kept.links[key] for key in kept.record.uses} == set(kept.links.values())


def test_reused_rounds_are_used_alike(tmp_path: Path) -> None:
    loaded = scenario(tmp_path, TIERS + METHODS)
    once, always = (run(loaded, executor="none", reuse=reuse)[0] for reuse in (True, False))
    for label, method in once.methods.items():
        other = always.methods[label]
        assert [r.utilisation for r in method.rounds] == [r.utilisation for r in other.rounds]
        assert method.rows_of("links") == other.rows_of("links")


def test_both_directions_of_one_link_count_together(tmp_path: Path) -> None:
    text = TIERS.replace("link: 4g", "link: {rate: 8 Mbit/s, delay: 5 ms, duplex: half}")
    (result,) = run(scenario(tmp_path, text + "methods: [splitfed]\n"), executor="none")
    for rnd in result.methods["splitfed"].rounds:
        access = [line for line in rnd.utilisation if line.startswith("access")]
        assert access == ["access links"]
