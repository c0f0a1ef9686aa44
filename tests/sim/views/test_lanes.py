from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.views.lanes import assign_lanes

intervals = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 8)).map(lambda p: (p[0], p[0] + p[1])), max_size=30
)


@given(intervals)
def test_lanes_never_overlap_and_are_as_few_as_possible(spans):
    lanes = assign_lanes([s for s, _ in spans], [e for _, e in spans]).tolist()
    for i, (start, end) in enumerate(spans):
        for j, (other_start, other_end) in enumerate(spans):
            if i != j and lanes[i] == lanes[j]:
                assert end <= other_start or other_end <= start
    busiest = max((sum(s <= t < e for s, e in spans) for t in range(40)), default=0)
    positive = [lane for lane, (s, e) in zip(lanes, spans, strict=True) if e > s]
    assert max(positive, default=-1) + 1 <= max(busiest, 1)


def test_the_lowest_free_lane_is_taken():
    assert assign_lanes([0, 1, 2, 5], [5, 2, 4, 6]).tolist() == [0, 1, 1, 0]
