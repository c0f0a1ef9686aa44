"""What is said of the weights files of a scenario before they are used."""

from cutlayer.models.errors import WeightsError
from cutlayer.models.weights_files import converted_types
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.initial import weights_file
from cutlayer.sim.build.world import options_of


def conversions(scenario: Scenario) -> list[str]:
    """Return what is converted of each weights file, in one line.

    A file that cannot be read is left to where it is used, which not every run does.
    """
    lines = {}
    for entry in scenario.methods:
        _, options = options_of(entry)
        try:
            path = weights_file(scenario.model.name, options)
            found = {} if path is None else converted_types(path)
        except WeightsError:
            continue
        for stored, count in found.items():
            tensors = "1 tensor is" if count == 1 else f"{count} tensors are"
            how = "rounded" if stored == "F64" else "converted"
            lines[path, stored] = (
                f"weights {path}: {tensors} stored as {stored} and {how} to float32"
            )
    return list(lines.values())
