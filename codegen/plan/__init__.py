"""Stage 2: Spec -> Plan."""

from codegen.plan.lower import lower
from codegen.plan.plan import Plan

__all__ = ["Plan", "lower"]
