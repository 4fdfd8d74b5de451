"""Packages follow their specs and templates while these are edited.

Joined like a build: what lies there is looked at (`look`), compared with the last time
(`touched`), built as `tgen build` does, and tested in the background.
"""

from codegen.commands.watch.events import Event, Gone, Rebuilt, Started, Testing
from codegen.commands.watch.loop import watch
from codegen.commands.watch.saves import Saves

__all__ = ["Event", "Gone", "Rebuilt", "Saves", "Started", "Testing", "watch"]
