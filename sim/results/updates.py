"""The summary of the updates of an asynchronous run: staleness, versions per hour, contributions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from cutlayer.sim.log.updates import UpdateRow, gini, jain
from cutlayer.sim.results.columns import ratio

HOUR_S: Final = 3600.0


def summary_of_updates(
    updates: Sequence[UpdateRow],
    device_of: Mapping[str, str],
    population: Mapping[str, int],
    virtual_time_s: float,
) -> dict[str, Any]:
    """Return the entry `updates` of a method in summary.json; dropped updates are only counted.

    `device_of` has the device of each client that has updates, `population` the clients by device.
    """
    folded = [row for row in updates if not row.dropped]
    stale = np.array([row.staleness for row in folded], dtype=float)
    versions = max((row.version or 0 for row in folded), default=0)
    by_client = Counter(row.client for row in folded)
    by_device = Counter(device_of[row.client] for row in folded)
    counts = [*by_client.values(), *[0] * (sum(population.values()) - len(by_client))]
    return {
        "count": len(folded),
        "dropped": len(updates) - len(folded),
        "versions": versions,
        "versions_per_hour": ratio(versions * HOUR_S, virtual_time_s),
        "staleness": {
            "mean": float(stale.mean()) if folded else None,
            "p50": float(np.percentile(stale, 50)) if folded else None,
            "p95": float(np.percentile(stale, 95)) if folded else None,
            "max": int(stale.max()) if folded else None,
        },
        "clients": {"gini": gini(counts), "jain": jain(counts)},
        "per_device": {
            device: {
                "clients": clients,
                "updates": by_device[device],
                "share": ratio(by_device[device], len(folded)),
            }
            for device, clients in population.items()
        },
    }
