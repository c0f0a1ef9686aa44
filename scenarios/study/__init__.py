"""Studies: one scenario at many points, as YAML files; `load_study` reads one."""

from cutlayer.scenarios.shipped import shipped_studies
from cutlayer.scenarios.study.load import LoadedStudy, load_study
from cutlayer.scenarios.study.points import Point
from cutlayer.scenarios.study.schema import Study

__all__ = ["LoadedStudy", "Point", "Study", "load_study", "shipped_studies"]
