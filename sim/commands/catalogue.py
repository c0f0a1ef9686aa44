"""`cutlayer list` and `schema`: the names that a scenario may use."""

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import yaml

from cutlayer.errors import UserError
from cutlayer.models.catalogue import MODELS, TOKEN_MODELS
from cutlayer.models.outline import outline
from cutlayer.models.spec import ModelSpec
from cutlayer.scenarios.aliases import report_renamed
from cutlayer.scenarios.export import json_schema
from cutlayer.scenarios.shipped import shipped_names, shipped_path, shipped_studies, study_path
from cutlayer.sim.codecs.registry import CODECS
from cutlayer.sim.commands.console import make_console
from cutlayer.sim.data.catalogue import DATASETS
from cutlayer.sim.methods import registry
from cutlayer.sim.views.columns import print_list
from cutlayer.suggestion import suggestion
from cutlayer.topologies import catalogue
from cutlayer.topologies.units import format_duration, format_rate


def _description(file: Path) -> str:
    document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return str(document.get("description", "")).strip()


def listed_spec(name: str) -> ModelSpec:
    """Return the data for which a model is listed: 10 classes of images, or tokens."""
    return TOKEN_MODELS.get(name, ModelSpec(name, 10))


def is_scenario(name: str) -> bool:
    """Return whether a name is that of a shipped scenario or of a scenario file."""
    return name in shipped_names() or Path(name).suffix in (".yaml", ".yml")


def outputs_of(spec: ModelSpec) -> str:
    """Return what a model is for: `10 classes and a vocabulary of 10,003`."""
    if spec.vocabulary is None:
        return f"{spec.classes:,} classes"
    classes = "" if spec.classes == spec.vocabulary else f"{spec.classes:,} classes and "
    return f"{classes}a vocabulary of {spec.vocabulary:,}"


def model_summary(name: str) -> str:
    """Return a model's numbers of parameters and blocks."""
    spec = listed_spec(name)
    blocks = outline(spec).blocks
    parameters = sum(block.parameters for block in blocks)
    return f"{parameters:,} parameters for {outputs_of(spec)}, {len(blocks)} blocks"


def dataset_summary(name: str) -> str:
    """Return a data set's numbers of samples and classes, and its shape."""
    info = DATASETS[name]
    shape = "x".join(map(str, info.input_shape))
    return (
        f"{info.train_samples:,} + {info.test_samples:,} images of {shape}, {info.classes} classes"
    )


def device_summary(name: str) -> str:
    """Return a device's description."""
    profile = catalogue.device(name)
    return profile.description + (" (coarse)" if profile.coarse else "")


def stack_summary(name: str) -> str:
    """Return a software stack's description."""
    return catalogue.stack(name).description


def link_summary(name: str) -> str:
    """Return a link's rates and delay."""
    link = catalogue.link(name)
    delay = "delay unknown" if link.delay_s is None else format_duration(link.delay_s)
    sharing = ", half duplex" if link.duplex == "half" else ""
    sharing += ", one medium for all stations" if link.shared else ""
    up, down = format_rate(link.up_bytes_per_s), format_rate(link.down_bytes_per_s)
    return f"{up} up, {down} down, {delay}{sharing}"


# The names of each kind, and the summary of one.
KINDS: dict[str, tuple[Callable[[], Collection[str]], Callable[[str], str]]] = {
    "scenarios": (shipped_names, lambda name: _description(shipped_path(name))),
    "studies": (shipped_studies, lambda name: _description(study_path(name))),
    "methods": (lambda: registry.METHODS, lambda name: registry.method(name).summary),
    "codecs": (lambda: CODECS, lambda name: CODECS[name].summary),
    "models": (lambda: MODELS, model_summary),
    "datasets": (lambda: DATASETS, dataset_summary),
    "devices": (catalogue.device_names, device_summary),
    "stacks": (catalogue.stack_names, stack_summary),
    "links": (catalogue.link_names, link_summary),
}


def list_command(what: str | None, *, as_json: bool = False) -> None:
    """Print the names of one kind, or of all kinds, each with a summary."""
    if what == "networks":
        report_renamed("list", "networks", "models")
        what = "models"
    if what is not None and what not in KINDS:
        raise UserError(f"list: unknown kind {what}{suggestion(what, KINDS)}")
    listed = {
        kind: {name: summary(name) for name in names()}
        for kind, (names, summary) in KINDS.items()
        if what in (None, kind)
    }
    if as_json:
        print(json.dumps(listed, indent=2))
        return
    console = make_console()
    for kind, summaries in listed.items():
        print_list(console, summaries.items(), kind)
        console.print()


def schema_command() -> None:
    """Print the JSON Schema of a scenario file."""
    options = registry.OPTIONS
    print(json.dumps(json_schema(options, list(MODELS), list(DATASETS)), indent=2))
