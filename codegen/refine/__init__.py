"""Stage 4: text -> text. Each package is pruned, then all files are formatted at once."""

from codegen.refine.facts import Facts, facts_of
from codegen.refine.prune import prune_package
from codegen.refine.resolve import lost_imports
from codegen.refine.style import format_code, format_files

__all__ = [
    "Facts",
    "facts_of",
    "format_code",
    "format_files",
    "lost_imports",
    "prune_package",
]
