"""The intervals of one batch: upload of the activation, server step, download of the gradient."""

from cutlayer.sim.log.intervals import NO_CAUSE, Activity, Intervals, Phase

BATCH = (Activity.ACTIVATION, Activity.CONTROL)


def batch_flows(log: Intervals) -> list[tuple[int, ...]]:
    """Return rows of a round's log that belong together: upload, step and, if there is one, download.

    A step that follows no upload of its own (a replayed batch without a message) is left out.
    """
    answers = {
        int(log.cause[row]): row
        for row in range(len(log))
        if log.phase[row] == Phase.DOWNLINK
        and log.activity[row] in (Activity.GRADIENT, Activity.LOGITS)
    }
    flows: list[tuple[int, ...]] = []
    for row in range(len(log)):
        if log.phase[row] != Phase.SERVER_COMPUTE:
            continue
        cause = int(log.cause[row])
        if cause != NO_CAUSE and log.phase[cause] == Phase.SERVER_QUEUE:
            cause = int(log.cause[cause])
        if (
            cause == NO_CAUSE
            or log.phase[cause] != Phase.UPLINK
            or log.activity[cause] not in BATCH
        ):
            continue
        answer = answers.get(row)
        flows.append((cause, row) if answer is None else (cause, row, answer))
    return flows
