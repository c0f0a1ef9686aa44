"""Priorities of tasks: of those that can run, the ones with the highest priority run first."""

from typing import Final

FOLD: Final = 3  # it frees its members
ALONE: Final = 2  # a chain that is alone in its fold: everything after it waits for it
EVALUATION: Final = 1
CHAIN: Final = 0
