"""Stage 2: Spec -> Plan."""

from codegen.plan.lower import lower
from codegen.plan.plan import Cost, Plan
from codegen.plan.transformer.empty_rows import warn_of_empty_rows

__all__ = ["Cost", "Plan", "lower", "warn_of_empty_rows"]
