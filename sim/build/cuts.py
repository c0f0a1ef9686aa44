"""The scenario's model, and the cuts of it that clients and controllers have, as numbers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cutlayer.models.catalogue import without_ends
from cutlayer.models.errors import CutError, ModelError
from cutlayer.models.outline import ModelOutline, outline_cut_at
from cutlayer.models.spec import ModelSpec
from cutlayer.scenarios.aliases import canonical
from cutlayer.scenarios.control import Best, Control, FedAdapt
from cutlayer.scenarios.model import DEFAULT_CUT, Model
from cutlayer.scenarios.problems import KeyPath
from cutlayer.scenarios.schema import Scenario
from cutlayer.sim.build.names import ScenarioNameError, clients_named
from cutlayer.sim.data.info import DatasetInfo
from cutlayer.topologies import Topology


def numbered_cuts(model: Model, outline: ModelOutline) -> dict[str, int]:
    """Return the scenario's cuts as numbers, by the names of `named_cuts`. Raises ScenarioNameError."""
    cuts = model.named_cuts
    return {
        name: numbered(outline, cut, cut_path(model, name), cuts.values())
        for name, cut in cuts.items()
    }


def spec_of(scenario: Scenario, info: DatasetInfo) -> ModelSpec:
    """Return what the scenario's model is built from, for a data set."""
    model = scenario.model
    return ModelSpec(
        model.name,
        info.output_shape[-1],
        info.input_shape,
        info.vocabulary,
        model.pretrained,
        model.tuning,
        info.padding,
    )


def model_of(scenario: Scenario, info: DatasetInfo) -> ModelOutline:
    """Return the outline of the model for a data set.

    Raises UnknownModelError, ModelError or CostError.
    """
    spec, wanted = spec_of(scenario, info), info.output_shape
    cuts = [*scenario.model.named_cuts.values(), *(getattr(scenario.control, "cuts", None) or ())]
    made = outline_cut_at(spec, cuts=cuts, unpriced=scenario.model.unpriced)
    takes = "tokens" if made.takes_tokens else "numbers"
    if takes != f"{info.input_type}s":
        raise ModelError(
            f"model {spec.name!r} takes {takes}, and data set {info.name} has {info.input_type}s"
        )
    if made.shapes[-1] != wanted:
        raise ModelError(
            f"model {spec.name!r} must give an output of shape {wanted} for data set {info.name}, it "
            f"gives {made.shapes[-1]}"
        )
    if not any(block.trained_parameters for block in made.blocks):
        raise ModelError(f"model {spec.name!r} has nothing to train: no parameter needs a gradient")
    return made


def numbered_control(section: Control, model: Model, outline: ModelOutline) -> Control:
    """Return a `control` section whose cuts are numbers. Raises ScenarioNameError."""
    if not isinstance(section, Best | FedAdapt) or section.cuts is None:
        return section
    beside = (*section.cuts, *model.named_cuts.values())
    numbers = [numbered(outline, cut, ("control",), beside) for cut in section.cuts]
    return section.model_copy(update={"cuts": tuple(dict.fromkeys(numbers))})


def numbered(
    outline: ModelOutline, cut: int | str, path: KeyPath, beside: Iterable[int | str]
) -> int:
    """Return a cut as a number; `beside` are the cuts in the same place. Raises ScenarioNameError.

    A number beyond the last block is returned as it is.
    """
    if isinstance(cut, int):
        inner = [other for other in beside if other in without_ends(outline.name)[1]]
        if cut and inner:
            rule = f"counts blocks, and {inner[0]} is within one: give all cuts by name"
            raise ScenarioNameError(path, rule)
        return cut
    try:
        return outline.cut_number(cut)
    except CutError as error:
        raise ScenarioNameError(path, f"is not a cut: {error}") from None


def cut_path(model: Model, name: str) -> KeyPath:
    """Return the path of a cut among `named_cuts`."""
    return ("model", "cut") if isinstance(model.cut, int | str) else ("model", "cut", name)


def cuts_of_clients(topology: Topology, cuts_by_name: Mapping[str, int]) -> Sequence[int]:
    """Return the scenario's cut of each client, in client order.

    The cut of a client's name or group takes precedence over that of its device. Raises
    ScenarioNameError for an unknown name, for a client that two names set, and for a client without a
    cut.
    """
    default, named = cuts_by_name.get(DEFAULT_CUT), dict(cuts_by_name)
    named.pop(DEFAULT_CUT, None)
    count = len(topology.clients)
    if not named:
        assert default is not None, "an empty mapping is refused"
        return (default,) * count
    cuts: list[int | None] = [default] * count
    runs = [(device.name, clients) for device, clients in topology.device_runs()]
    devices = dict.fromkeys(name for name, _ in runs)
    of_clients: dict[str, int] = {}
    for name, cut in named.items():
        if (device := canonical(name, devices)) is None:
            of_clients[name] = cut
            continue
        for run, clients in runs:
            if run == device:
                cuts[clients] = [cut] * len(range(*clients.indices(count)))
    for index, cut in _by_client(topology, of_clients, devices):
        cuts[index] = cut
    set_ = [cut for cut in cuts if cut is not None]
    if len(set_) < count:
        client = topology.clients[cuts.index(None)]
        profile = topology.node(client).device
        which = client if profile is None else f"{client}, a {profile.name}"
        raise ScenarioNameError(("model", "cut"), f"has no cut for {which}: give a default")
    return set_


def _by_client(
    topology: Topology, named: Mapping[str, int], devices: Mapping[str, None]
) -> Iterator[tuple[int, int]]:
    """Yield the index and cut of every client whose cut is set by its name or its group's."""
    index = {client: number for number, client in enumerate(topology.clients)} if named else {}
    seen: set[str] = set()
    for name, cut in named.items():
        path: KeyPath = ("model", "cut", name)
        for client in clients_named(topology, name, path, devices):
            if client in seen:
                raise ScenarioNameError(path, f"{client} is already set by an earlier entry")
            seen.add(client)
            yield index[client], cut
