"""The `limits` section: how much work a run may be before it is refused.

A slip (`local_epochs: 1000000000`) is answered at once instead of being waited for. Whoever means it
raises the limit that the answer names.
"""

from typing import Final

from cutlayer.scenarios.fields import Count, Section

EVENTS_PER_BATCH: Final = 40  # more than any method has for a batch: messages, steps, queues


class Limits(Section):
    """The most of each that a run may have; none of them changes a result.

    `clients` and `links` (between sites, or of a graph) count what the topology has; `round_batches`
    the batches that the clients of a round train on, `run_batches` those of all rounds, methods and
    seeds. `round_events` bounds the steps of the clock in a round: rates that change every few
    milliseconds while a transfer takes years, for one. There may be 40 for each batch in any case.
    """

    clients: Count = 1_000_000
    links: Count = 200_000
    round_batches: Count = 200_000
    run_batches: Count = 100_000_000
    round_events: Count = 500_000
