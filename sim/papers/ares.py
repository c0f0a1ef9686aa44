"""The testbed of ARES (RES-Things): VGG5 on a Raspberry Pi and a Jetson Nano, whole and cut.

github.com/ricsamikwa/RES-Things: CIFAR-10, batches of 100, 50 iterations a round, Wi-Fi of about
76 Mbit/s, cut after the first pooling.
"""

from typing import Final

from cutlayer.models.catalogue import build
from cutlayer.models.cost import block_costs
from cutlayer.sim.compute.work import DeviceWork
from cutlayer.sim.papers.worlds import MBIT, played, seconds_per_round
from cutlayer.sim.validate.table import Fitted, Line, Table
from cutlayer.topologies.catalogue import device
from cutlayer.topologies.device import DeviceProfile

SOURCE: Final = "github.com/ricsamikwa/RES-Things"
BATCH, BATCHES = 100, 50
LINK: Final = 76 * MBIT
MESSAGE_BYTES: Final = 3_276_800  # of an activation or its gradient
NATIVE_S: Final = {"raspberry-pi-3b-plus": 3.57, "jetson-nano": 0.116}
SERVERS: Final = ("laptop-8-core", "server-8-core")  # candidates: the real one is unknown
CUT_S: Final = {"raspberry-pi-3b-plus": 1.93, "jetson-nano": 0.444}

SCENARIO: Final = """
name: ares
data: {{dataset: cifar10, partition: {{sizes: 5000}}}}
model: {{name: vgg5, cut: 1}}
training: {{rounds: 1, batch_size: 100, optimizer: {{name: sgd, lr: 0.01, momentum: 0.9}}}}
topology:
  star:
    server: {{device: {server}, slots: 1}}
    clients: [{{device: here, link: {{up: 76 Mbit/s, down: 76 Mbit/s, delay: 2 ms}}}}]
methods: [splitfed]
"""


def table() -> Table:
    """Return VGG5's iterations, whole (fitted) and cut (predicted)."""
    lines, fitted = [], []
    air = 16 * MESSAGE_BYTES / LINK
    for name, native in NATIVE_S.items():
        profile, factor = _fitted(name, native)
        quantity, whole = f"VGG5 on {name}, whole", _whole_seconds(profile)
        lines.append(Line(quantity, "s", native, "fitted", whole, SOURCE, "one factor"))
        for server in SERVERS:
            result = played(SCENARIO.format(server=server), {"here": profile})["splitfed"]
            note = "the real server is unknown"
            if CUT_S[name] < air:
                note += f"; both messages need {air:.2f} s at {LINK / MBIT:.0f} Mbit/s"
            quantity = f"VGG5 on {name}, cut after pooling, server {server}"
            ours = seconds_per_round(result) / BATCHES
            lines.append(
                Line(quantity, "s", CUT_S[name], "predicted", ours, SOURCE, note, within=0.10)
            )
        fitted.append(Fitted(f"slowness of {name}", f"{factor:.2f}", f"VGG5 whole, {native} s"))
    needed = 16 * MESSAGE_BYTES / CUT_S["jetson-nano"] / MBIT
    return Table(
        "ares",
        "ARES' testbed: VGG5 whole and cut, batches of 100, Wi-Fi of 76 Mbit/s",
        tuple(lines),
        tuple(fitted),
        (
            "The Jetson Nano's row cannot match: an activation and its gradient are 6.55 MB, so that the"
            f" published 0.444 s require over {needed:.0f} Mbit/s, more than the link of 76 Mbit/s.",
            "The Pi's cut iteration leaves 1.24 s for computation besides 0.69 s on the link. The"
            " profile takes longer for the first block: it overestimates early layers.",
            "The Jetson Nano's profile has one speed for all operations.",
        ),
    )


def _fitted(name: str, native: float) -> tuple[DeviceProfile, float]:
    """Return the profile slowed down to `native` seconds for VGG5, and by which factor."""
    plain = device(name)
    factor = native / _whole_seconds(plain)
    return plain.faster(1 / factor), factor


def _whole_seconds(profile: DeviceProfile) -> float:
    costs = block_costs(build("vgg5", classes=10, seed=0, device="meta"))
    return DeviceWork(profile, costs, None, 1, 1).train(BATCH).seconds
