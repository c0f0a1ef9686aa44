"""Results on disk, read back: a run's folder, one for each seed if there are several, or a study's."""

from sim.saved.files import SavedError
from sim.saved.run import SavedRun, SavedStudy, read, read_run, read_study

__all__ = ["SavedError", "SavedRun", "SavedStudy", "read", "read_run", "read_study"]
