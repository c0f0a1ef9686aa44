"""Names of the random streams that initial weights are drawn from, beside a model's own."""

from typing import Final

HEAD: Final = "auxiliary head"
