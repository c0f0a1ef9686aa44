"""Classic federated learning: FedAvg (McMahan et al., AISTATS 2017, Algorithm 1)."""

from typing import ClassVar

from cutlayer.sim.methods.edge_options import EdgesOptions
from cutlayer.sim.methods.edges import EdgeMethod
from cutlayer.sim.methods.method import MethodOptions
from cutlayer.sim.methods.whole_model import WholeModel


class ClassicFL(WholeModel, EdgeMethod):
    """Every client trains the whole model and sends it; the server averages the models."""

    name = "classic_fl"
    summary = "every device trains the whole model, and the server averages (FedAvg)"
    Options: ClassVar[type[MethodOptions]] = EdgesOptions
    reusable = True
