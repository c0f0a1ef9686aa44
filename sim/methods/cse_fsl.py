"""CSE-FSL (Mu and Shen, IEEE TNNLS 2025; arXiv 2302.06556): fewer activations, one server block.

Checked against srijith1996/FSL-SAGE (437e77b), whose h is 5. There the clients of a round run one after
another; here the shared server block steps in the order of arrival.
"""

from typing import ClassVar, Literal

from pydantic import Field

from cutlayer.scenarios.fields import Count
from cutlayer.sim.methods.local_loss import LocalLoss, LocalLossOptions
from cutlayer.sim.methods.method import MethodOptions


class CSEFSLOptions(LocalLossOptions):
    """The options of local loss, with the defaults of CSE-FSL."""

    upload_every: Count = Field(
        5, description="batches from one that sends its activation to the next (h); the first does"
    )
    server: Literal["replicas", "shared"] = Field(
        "shared", description=LocalLossOptions.model_fields["server"].description
    )


class CSEFSL(LocalLoss):
    """Local loss with an activation every h-th batch and a shared server block."""

    name = "cse_fsl"
    summary = "local loss: an activation every h-th batch, one server block (CSE-FSL)"
    Options: ClassVar[type[MethodOptions]] = CSEFSLOptions
    reusable = True
