"""Packages follow their specs and templates while these are edited.

Joined like the pipeline: what lies there is looked at (`look`), compared with the last time
(`touched`), built by the pipeline, and tested in the background.
"""

from codegen.watch.events import Event, Gone, Rebuilt, Started, Testing
from codegen.watch.loop import watch
from codegen.watch.saves import Saves

__all__ = ["Event", "Gone", "Rebuilt", "Saves", "Started", "Testing", "watch"]
