"""Waits until something happens in folders, told by the operating system."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from codegen.commands.watch.look import Folders
from codegen.errors import TgenError

QUIET = 20  # ms without another event, after which a save is complete: editors write in two steps
PATIENCE = 200  # ms at most that a stream of events is gathered
PAUSE = 250  # ms without any event, after which the caller may look at its tests


class Saves:
    """Called with folders: whether something may have changed in them since the last call."""

    def __init__(self) -> None:
        self._folders: Folders = frozenset()
        self._watched: list[str] = []
        self._events: Iterator[set[Any]] = iter(())

    def __call__(self, folders: Folders) -> bool:
        """Waits for a save, or for a pause's length. The first look at new folders counts as one.

        TgenError if the operating system can't watch them; KeyboardInterrupt as it comes.
        """
        from watchfiles import watch

        other = folders != self._folders
        if other:
            self._folders = folders
            self._watched = sorted(str(path) for path, _ in folders)
            self._events = watch(
                *self._watched,
                watch_filter=None,
                debounce=PATIENCE,
                step=QUIET,
                rust_timeout=PAUSE,
                yield_on_timeout=True,
                recursive=False,
            )
        try:
            events = next(self._events)
            if any(path in self._watched for _, path in events):
                self._folders = frozenset()  # a folder itself was moved or deleted
            return bool(events) or other
        except FileNotFoundError:  # gone since it was listed: it is listed again
            self._folders = frozenset()
            return True
        except OSError as error:
            hint = "set WATCHFILES_FORCE_POLLING=1 to look at the files again and again instead"
            raise TgenError(f"can't watch files here: {error}", hint=hint) from None
