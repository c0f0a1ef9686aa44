"""Which errors are the user's: they are printed as they are, and the exit code is 2.

The classes are named, not imported: an error that was raised is of a class that is there, and a message
about a typing mistake need not wait for modules that have nothing to do with it.
"""

from typing import Final


class UsageError(ValueError):
    """A command was asked for something that is not there."""


USERS: Final = frozenset(
    {
        "models.catalogue:UnknownNetworkError",
        "models.errors:NetworkError",
        "models.errors:WeightsError",
        "scenarios.problems:ScenarioError",
        "sim.atomic_files:OutputError",
        "sim.calibrate.calibrate:CalibrationError",
        "sim.clock:TooManyEventsError",
        "sim.commands.errors:UsageError",
        "sim.engine:UnfinishedRoundError",
        "sim.explain:ExplainError",
        "sim.learning.dataset_info:DataError",
        "sim.saved.files:SavedError",
        "sim.saved.export:ExportError",
        "sim.studies.check:StudyError",
        "sim.studies.cluster:ClusterError",
        "sim.studies.runner:NumericsError",
        "sim.studies.workers:WorkerDiedError",
        "topologies.catalogue.profile_file:ProfileFileError",
        "topologies.catalogue:CatalogueError",
    }
)
JOB: Final = "sim.studies.workers:JobError"


def is_users(error: BaseException) -> bool:
    """Whether an error tells a user what to mend, rather than us.

    A job of a sweep failed by its user's mistake if all of its attempts did.
    """
    names = {f"{kind.__module__}:{kind.__qualname__}" for kind in type(error).__mro__}
    if JOB in names:
        return all(is_users(cause) for cause in getattr(error, "errors", ()))
    return bool(names & USERS)
