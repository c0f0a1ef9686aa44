"""Which errors are the user's: they are printed as they are, and the exit code is 2.

The classes are named, not imported: an error that was raised is of a class that is there, and a message
about a typing mistake need not wait for modules that have nothing to do with it.
"""

from typing import Final


class UsageError(ValueError):
    """A command was asked for something that is not there."""


USERS: Final = frozenset(
    {
        "cutlayer.models.catalogue:UnknownNetworkError",
        "cutlayer.models.errors:NetworkError",
        "cutlayer.models.errors:WeightsError",
        "cutlayer.scenarios.problems:ScenarioError",
        "cutlayer.sim.files.atomic:OutputError",
        "cutlayer.sim.calibrate.calibrate:CalibrationError",
        "cutlayer.sim.clock:TooManyEventsError",
        "cutlayer.sim.commands.errors:UsageError",
        "cutlayer.sim.run.engine:UnfinishedRoundError",
        "cutlayer.sim.run.explain:ExplainError",
        "cutlayer.sim.data.info:DataError",
        "cutlayer.sim.results.files:SavedError",
        "cutlayer.sim.results.export:ExportError",
        "cutlayer.sim.studies.check:StudyError",
        "cutlayer.sim.studies.cluster:ClusterError",
        "cutlayer.sim.studies.runner:NumericsError",
        "cutlayer.sim.studies.workers:WorkerDiedError",
        "cutlayer.topologies.catalogue.profile_file:ProfileFileError",
        "cutlayer.topologies.catalogue:CatalogueError",
    }
)
JOB: Final = "cutlayer.sim.studies.workers:JobError"


def is_users(error: BaseException) -> bool:
    """Whether an error tells a user what to mend, rather than us.

    A job of a sweep failed by its user's mistake if all of its attempts did.
    """
    names = {f"{kind.__module__}:{kind.__qualname__}" for kind in type(error).__mro__}
    if JOB in names:
        return all(is_users(cause) for cause in getattr(error, "errors", ()))
    return bool(names & USERS)
