"""Stage 5: kernels -> tiles and a report, by compiling them for GPUs that need not be here."""

from codegen.prove.gate import measure, prove, survey, targets_for
from codegen.prove.ladder import ChosenTile, describe, faults
from codegen.prove.usage import Usage

__all__ = ["ChosenTile", "Usage", "describe", "faults", "measure", "prove", "survey", "targets_for"]
