"""FSL-SAGE (Nair et al., ICML 2025): CSE-FSL whose auxiliary heads imitate the server's gradients.

Checked against srijith1996/FSL-SAGE (437e77b): a head for each client, which the device does not train,
5 epochs of alignment every 10 rounds, the head sent down only then. Differences: there the alignment
follows the first batch of a round and uses the last 1,000 uploaded samples of a client, here it follows
the last batch and uses those of the round; there gradients of batches of different sizes are compared,
here those of a sample's own loss.
"""

from typing import ClassVar, Literal

from pydantic import Field

from cutlayer.sim.methods.cse_fsl import CSEFSL, CSEFSLOptions
from cutlayer.sim.methods.local_loss import LocalLossOptions
from cutlayer.sim.methods.method import MethodOptions


class FSLSAGEOptions(CSEFSLOptions):
    """The options of local loss, with the defaults of FSL-SAGE."""

    auxiliary: Literal["own", "aligned"] = Field(
        "aligned", description=LocalLossOptions.model_fields["auxiliary"].description
    )


class FSLSAGE(CSEFSL):
    """CSE-FSL with auxiliary heads that the server aligns with its own gradients."""

    name = "fsl_sage"
    summary = "cse_fsl whose auxiliary heads imitate the server's gradients (FSL-SAGE)"
    Options: ClassVar[type[MethodOptions]] = FSLSAGEOptions
    reusable = True
