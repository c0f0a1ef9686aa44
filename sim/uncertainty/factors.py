"""What is uncertain in a plan: the figures of its devices and links that are not known exactly.

A factor is named `SOURCE: FIGURE`, such as `raspberry-pi-4b: rates.conv.forward`, `link 4g: delay`, or
`raspberry-pi-4b: form` for what the form of the time of a layer leaves open. Its logarithm is normal
with mean 0, so that the stated figure is the median. All devices of a name, and all links of a name,
have their factors in common. A draw of a factor depends on the seed, the factor's name and the number of
the draw, and on nothing else.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import exp, inf, prod
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from cutlayer.models.block_cost import LayerCost
from cutlayer.models.features import PASSES, features
from cutlayer.models.quantise_cost import dequantise_costs, quantise_costs
from cutlayer.sim.build.plan import Plan
from cutlayer.sim.build.world import profile_of
from cutlayer.sim.methods.registry import options_of
from cutlayer.streams import generator
from cutlayer.topologies import DeviceProfile, Link, Topology
from cutlayer.topologies.covariance import Covariance
from cutlayer.topologies.layer_time import terms
from cutlayer.topologies.spreads import SPREADS, form_error_of, is_timed, spread_of

FORM: Final = "form"
LINK: Final = "link "
ANY_BITS: Final = 8  # quantising to any number of bits uses the same figures of a device
# Figures that a device needs for every model.
ALWAYS: Final = (
    "optimizer_bandwidth",
    "optimizer_overhead",
    "iteration_overhead",
    "loader_per_iteration",
    "loader_per_sample",
    "round_overhead",
)


@dataclass(frozen=True)
class Factors:
    """The standard deviation of the logarithm of each factor, and which of them are correlated.

    `correlated` has, for the figures of a device that are known together, the names of their factors and
    the symmetric square root of the covariance of their logarithms.
    """

    deviations: Mapping[str, float]
    correlated: tuple[tuple[tuple[str, ...], NDArray[np.float64]], ...] = ()

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Return the factors on which times of the plan's methods depend."""
        layers, timed = list(_layers(plan)), is_timed(plan.model.plain_name)
        deviations: dict[str, float] = {}
        covariances: dict[str, Covariance] = {}
        for profile in _profiles(plan.topology):
            spreads = {**spread_of(profile), FORM: form_error_of(profile, timed=timed)}
            used = {FORM, *_used_figures(profile, layers)}
            for figure, deviation in spreads.items():
                name = factor_name(profile.name, figure)
                if figure in used and deviation > 0:
                    deviations[name] = max(deviation, deviations.get(name, 0.0))
            if profile.covariance is not None:
                covariances.setdefault(profile.name, profile.covariance)
        for link in plan.topology.distinct_links:
            deviations |= _of_link(link)
        correlated = tuple(
            (tuple(factor_name(device, figure) for figure in known.names), _root(known.matrix))
            for device, known in covariances.items()
            if known.names
        )
        return cls(deviations, correlated)

    def draw(self, seed: int, number: int) -> dict[str, float]:
        """Return draw `number` of all factors: 1.0 is a figure as stated, 2.0 twice as much."""
        logs = {
            name: deviation * _normal(seed, name, number)
            for name, deviation in self.deviations.items()
        }
        for names, root in self.correlated:
            joint = root @ np.array([_normal(seed, name, number) for name in names])
            known = dict(zip(names, joint.tolist(), strict=True))
            logs |= {name: known[name] for name in known.keys() & logs.keys()}
        return {name: exp(log) for name, log in logs.items()}


def is_uncertain(topology: Topology) -> bool:
    """Whether a figure of a topology's devices or links is not known exactly."""
    return any(_of_link(link) for link in topology.distinct_links) or any(
        form_error_of(profile) > 0 or any(spread_of(profile).values())
        for profile in _profiles(topology)
    )


def factor_name(source: str, figure: str) -> str:
    """Return the name of a factor."""
    return f"{source}: {figure}"


def _normal(seed: int, name: str, number: int) -> float:
    return float(generator(seed, "uncertainty", name, number).standard_normal())


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the symmetric square root, which does not depend on the order of the figures."""
    variances, axes = np.linalg.eigh(covariance)
    root: NDArray[np.float64] = (axes * np.sqrt(np.maximum(variances, 0.0))) @ axes.T
    return root


def _profiles(topology: Topology) -> Iterator[DeviceProfile]:
    """Yield the profiles of clients, server and edge nodes, each at least once."""
    yield from (profile for profile, _ in topology.device_runs())
    yield from (profile_of(topology, name) for name in (topology.server, *topology.edges))


def _layers(plan: Plan) -> Iterator[LayerCost]:
    """Yield the layers, of the model and beside it, whose times a method may need."""
    for block in plan.blocks:
        yield from block.layers
    for entry in plan.scenario.methods:
        method, _ = options_of(entry)
        if "head" in method.parts:
            for cut in plan.cuts(method):
                yield from plan.model.head(cut).layers
    values = prod(plan.model.activation_shape(max(plan.scenario_cuts)))
    yield from quantise_costs(values, ANY_BITS)
    yield from dequantise_costs(values, ANY_BITS)


def _used_figures(profile: DeviceProfile, layers: Collection[LayerCost]) -> set[str]:
    """Return the names of the figures on which times on a device depend."""
    used = set(ALWAYS)
    if profile.coarse:
        used.add(f"rates.{profile.rate_class('elementwise')}.forward")  # of the optimizer
    for layer in layers:
        for pass_ in PASSES:
            if found := features(layer, pass_):
                rate_class = profile.rate_class(found.op_class)
                used |= {t.figure for t in terms(found, rate_class) if t.fixed or t.per_sample}
    if "weight_bandwidth" in used and profile.weight_bytes_per_s is None:
        used.add("memory_bandwidth")
    return used


def _of_link(link: Link) -> dict[str, float]:
    """Return the deviations of a link's factors that are not 0; only the catalogue's links have some."""
    if link.origin is None:
        return {}
    source = LINK + link.origin.name
    found = {}
    if link.rate_bytes_per_s < inf:
        found[factor_name(source, link.origin.figure)] = SPREADS[link.origin.rate]
    if link.delay_s > 0:
        found[factor_name(source, "delay")] = SPREADS[link.origin.delay]
    return {name: deviation for name, deviation in found.items() if deviation > 0}
