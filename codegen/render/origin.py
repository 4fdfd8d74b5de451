"""Which line of which template made a line of a rendering; worked out only after a mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jinja2


class _Piece(str):
    """A piece of a rendering, and where it comes from."""

    file: str
    line: int


class _TracedTemplate(jinja2.Template):
    """A template whose pieces know their file and line, through any number of includes."""

    _render: Callable[[Any], Any]

    @property
    def root_render_func(self) -> Callable[[Any], Iterator[str]]:
        """The template's own, each piece marked unless a template that it includes did that."""
        return self._traced

    @root_render_func.setter
    def root_render_func(self, render: Callable[[Any], Iterator[str]]) -> None:
        self._render = render

    def _traced(self, context: Any) -> Iterator[str]:
        pieces = self._render(context)
        for piece in pieces:
            if isinstance(piece, _Piece):
                yield piece
            else:
                marked = _Piece(piece)
                marked.file = str(self.filename)
                marked.line = self.get_corresponding_lineno(pieces.gi_frame.f_lineno)
                yield marked


def origins(
    env: jinja2.Environment, template: str, context: Mapping[str, Any]
) -> list[tuple[str, str, int]]:
    """Each line of a rendering, with the file and the line of the template that made its end.

    What passes through a filter or a macro counts as made where that is called; behind a
    statement, the line may be a few too low.
    """
    traced = env.overlay()
    traced.template_class = _TracedTemplate
    made = traced.get_template(template)
    found: list[tuple[str, str, int]] = []
    text, file, line = "", "", 0
    for piece in made.root_render_func(made.new_context(dict(context))):
        assert isinstance(piece, _Piece)
        file = piece.file
        for line, part in enumerate(piece.split("\n"), piece.line):
            if line > piece.line:
                found.append((text, file, line - 1))
                text = ""
            text += part
    return [*found, (text, file, line)]
