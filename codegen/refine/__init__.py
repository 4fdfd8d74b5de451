"""Stage 4: text -> text. Each package is pruned, then all files are formatted at once."""

from codegen.refine.facts import facts_of
from codegen.refine.prune import prune_package
from codegen.refine.resolve import unresolved_imports
from codegen.refine.style import format_code, format_files

__all__ = ["facts_of", "format_code", "format_files", "prune_package", "unresolved_imports"]
