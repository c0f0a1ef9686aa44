"""The heap of the solvers against a sorted list, and virtual clocks that follow one another."""

import random
from fractions import Fraction

import pytest

from cutlayer.sim.network.solvers.lazy_heap import LazyHeap
from cutlayer.sim.network.solvers.virtual_clock import VirtualClock


class Item:
    def __init__(self, order):
        self.order = order
        self.number = 0


@pytest.mark.parametrize("seed", range(20))
def test_it_agrees_with_a_sorted_list(seed):
    """Items are added, taken, moved to another key, popped, and given new keys; some keys are equal."""
    draw = random.Random(seed)
    heap, listed = LazyHeap(), {}
    for order in range(300):
        action = draw.random()
        if action < 0.5 or not listed:
            item = Item(order)
            listed[item] = draw.randrange(40)
            heap.push(listed[item], order, item)
        elif action < 0.65:
            item = draw.choice(list(listed))
            item.number += 1
            del listed[item]
        elif action < 0.8:
            item = draw.choice(list(listed))
            item.number += 1
            listed[item] = draw.randrange(40)
            heap.push(listed[item], item.order, item)
        elif action < 0.9:
            bound = draw.randrange(10)
            expected = sorted((key, i.order, i) for i, key in listed.items() if key <= bound)
            assert heap.pop_up_to(bound) == [item for _, _, item in expected]
            for _, _, item in expected:
                item.number += 1
                del listed[item]
        elif action < 0.95:
            listed = {item: key % 7 for item, key in listed.items()}
            heap.tidy(listed.__getitem__)
        else:
            heap.tidy_beyond(len(listed))
        assert set(heap.items()) == set(listed)
        least = min(((key, item.order, item) for item, key in listed.items()), default=None)
        assert heap.first() is (least[2] if least else None)
        if least:
            assert heap.first_key() == least[0]


def test_a_clock_advances_at_its_level_or_with_its_leader():
    leader, clock = VirtualClock(), VirtualClock()
    leader.run(Fraction(2), 3)
    clock.run(Fraction(2), 5)
    assert (leader.at(4), clock.at(4)) == (6, 10)
    clock.offset = clock.at(4) - leader.at(4)
    clock.leader = leader
    assert (clock.at(4), clock.at(5), clock.speed()) == (10, 13, 3)
    clock.stop(Fraction(5))
    assert (clock.at(9), clock.speed(), leader.at(9)) == (13, 0, 21)
