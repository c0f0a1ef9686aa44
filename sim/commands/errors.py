"""Which errors are the user's: they are printed as they are, and the exit code is 2."""

from models.catalogue import UnknownNetworkError
from scenarios.problems import ScenarioError
from sim.learning.dataset_info import DataError
from sim.run_directory import OutputError
from topologies import CatalogueError


class UsageError(ValueError):
    """A command was asked for something that is not there."""


def is_users(error: ValueError) -> bool:
    """Whether an error tells a user what to mend, rather than us."""
    from models.errors import NetworkError, WeightsError
    from sim.calibrate.calibrate import CalibrationError
    from sim.clock import TooManyEventsError
    from sim.engine import UnfinishedRoundError
    from sim.explain import ExplainError
    from sim.saved import SavedError
    from sim.saved.export import ExportError
    from sim.studies.check import StudyError
    from sim.studies.cluster import ClusterError
    from sim.studies.runner import NumericsError
    from sim.studies.workers import JobError, WorkerDiedError
    from topologies.catalogue.profile_file import ProfileFileError

    users = (
        CalibrationError,
        CatalogueError,
        ClusterError,
        DataError,
        ExplainError,
        ExportError,
        NetworkError,
        NumericsError,
        OutputError,
        ProfileFileError,
        SavedError,
        ScenarioError,
        StudyError,
        TooManyEventsError,
        UnfinishedRoundError,
        UnknownNetworkError,
        UsageError,
        WeightsError,
        WorkerDiedError,
    )
    if isinstance(error, JobError):
        return all(isinstance(cause, users) for cause in error.errors)
    return isinstance(error, users)
