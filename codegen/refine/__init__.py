"""Stage 4: text -> text."""

from codegen.refine.refine import refine

__all__ = ["refine"]
