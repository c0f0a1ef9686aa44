"""Studies: one scenario at many points, as YAML files; `load_study` reads and lays one out."""

from scenarios.study.load import LoadedStudy, load_study
from scenarios.study.points import Point
from scenarios.study.schema import Study
from scenarios.study.shipped import shipped_studies

__all__ = ["LoadedStudy", "Point", "Study", "load_study", "shipped_studies"]
