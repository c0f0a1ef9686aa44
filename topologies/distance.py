"""Propagation delay from the positions of nodes on the Earth."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from cutlayer.topologies.text_file import number_of

Position = tuple[float, float]

EARTH_RADIUS_M: Final = 6_371_008.8
"""Mean radius (2 a + b) / 3 of the WGS 84 ellipsoid (Moritz, Geodetic Reference System 1980)."""

FIBRE_M_PER_S: Final = 2.0e8
"""Two thirds of the speed of light: glass with a group index of about 1.5 (ITU-T G.652: 1.47)."""

_LONGITUDES: Final = ("longitude", "long", "lon", "lng")
_LATITUDES: Final = ("latitude", "lat")


@dataclass(frozen=True)
class Distance:
    """The delay of light in fibre along the great circle, times a `detour` of at least 1.

    `otherwise_s` is the delay of edges with an end of unknown position.
    """

    detour: float = 1.0
    otherwise_s: float | None = None

    def delay_s(self, here: Position, there: Position) -> float:
        """Return the one-way delay in seconds between two (longitude, latitude) in degrees."""
        return self.detour * great_circle_m(here, there) / FIBRE_M_PER_S


def great_circle_m(here: Position, there: Position) -> float:
    """Return the distance in metres of two (longitude, latitude), in degrees, on a sphere.

    Haversine formula (Sinnott, "Virtues of the Haversine", 1984); within 0.6 % of the ellipsoid's.
    """
    (lon1, lat1), (lon2, lat2) = here, there
    phi1, phi2 = math.radians(lat1), math.radians(lat2)
    chord = (
        math.sin((phi2 - phi1) / 2) ** 2
        + math.cos(phi1) * math.cos(phi2) * math.sin(math.radians(lon2 - lon1) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord)))


def position_of(attributes: Mapping[str, Any]) -> Position | None:
    """Return a node's (longitude, latitude) from the attributes of a network file, or None.

    Read are longitude, long, lon and lng with latitude and lat, in any case (Topology Zoo), and
    `pos` as a pair (topohub). Numbers may be text.
    """
    lower = {str(key).lower(): value for key, value in attributes.items()}
    longitudes = [lower[key] for key in _LONGITUDES if key in lower]
    latitudes = [lower[key] for key in _LATITUDES if key in lower]
    for pair in (*product(longitudes, latitudes), lower.get("pos")):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            continue
        longitude, latitude = map(number_of, pair)
        if abs(longitude) <= 360 and abs(latitude) <= 90:
            return longitude, latitude
    return None
