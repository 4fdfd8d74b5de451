"""Stage 2: Spec -> Plan."""

from codegen.plan.lower import lower, warnings
from codegen.plan.plan import Cost, Plan

__all__ = ["Cost", "Plan", "lower", "warnings"]
