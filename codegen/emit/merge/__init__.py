"""A person's edits carried over to a new rendering: three texts in, one out.

`base` is what was generated, `mine` what a person made of it, `new` today's rendering. Python is
merged definition by definition (`python.py`), anything else line by line (`lines.py`).
"""

from codegen.emit.merge.lines import has_markers
from codegen.emit.merge.merged import Conflict, Merged, Side, Sides
from codegen.emit.merge.text import WHOLE, merge_texts

__all__ = ["WHOLE", "Conflict", "Merged", "Side", "Sides", "has_markers", "merge_texts"]
