"""Python merged definition by definition: each piece is taken from the side that changed it."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import libcst as cst

from codegen.emit.merge.fingerprint import same
from codegen.emit.merge.imports import extend, merge_from, with_used
from codegen.emit.merge.lines import marked, merge_lines, merge_words
from codegen.emit.merge.merged import Conflict, Merged, Side, Sides
from codegen.emit.merge.order import merged_order
from codegen.emit.merge.pieces import (
    KEEP,
    Key,
    Piece,
    Statement,
    code_at,
    code_of,
    comments,
    describe,
    formatted,
    pieces_of,
)
from codegen.emit.merge.renames import renames_of, with_names
from codegen.emit.merge.used import still_used

MADE = "# Made from "  # the line of a generated file that says what it is made from
Lines = Sequence[cst.EmptyLine]


BOTH = "you changed it, and so does the new rendering"
DELETED = "you deleted it, and the new rendering changes it"
GONE = "you changed it, and the new rendering has it no more"


def merge_python(texts: Sides[str], side: Side | None = None) -> Merged:
    """A module's three texts merged; all three parse."""
    modules = texts.each(cst.parse_module)
    if any(KEEP.search(comment) for comment in comments(modules.mine.header)):
        return Merged(texts.mine, carried=("the whole file",))
    renames = renames_of(modules)
    named = Sides(
        with_names(modules.base, renames, modules.mine),
        modules.mine,
        with_names(modules.new, renames, modules.mine),
    )
    merged = _Merge(side).module(named)
    return replace(merged, carried=tuple(dict.fromkeys([*renames.values(), *merged.carried])))


@dataclass
class _Merge:
    """One module's merge: conflicts and what was carried over are noted on the way."""

    side: Side | None
    conflicts: list[Conflict] = field(default_factory=list)
    carried: list[str] = field(default_factory=list)
    blocks: dict[str, str] = field(default_factory=dict)  # conflicts' texts, by their place
    depth: int = 0  # in how many classes

    def module(self, modules: Sides[cst.Module]) -> Merged:
        pieces = modules.each(lambda module: pieces_of(module.body))
        body = self.body(pieces, "")
        head = self.header(modules.each(lambda module: module.header))
        foot = self.foot("the end of the file", modules.each(lambda module: module.footer), body)
        module = modules.new.with_changes(header=head, body=body, footer=foot)
        module = module.with_changes(body=self.with_imports(module, pieces))
        text = self.filled(module.code)
        return Merged(text, tuple(self.conflicts), tuple(dict.fromkeys(self.carried)))

    def body(self, pieces: Sides[dict[Key, Piece]], prefix: str) -> list[Statement]:
        """The statements of a module or a class, whose names begin with `prefix`."""
        chosen: dict[Key, Statement] = {}
        for key in dict.fromkeys([*pieces.new, *pieces.mine, *pieces.base]):
            three = Sides(pieces.base.get(key), pieces.mine.get(key), pieces.new.get(key))
            node = self.piece(prefix + describe(key), three)
            if node is not None:
                chosen[key] = node
        if not prefix:
            dropped = {k: p for k, p in pieces.mine.items() if k not in chosen | pieces.new}
            used = still_used(chosen, dropped)
            self.carried += map(describe, used)
            chosen |= used
        order, agreed = merged_order(pieces.each(list), chosen, self.side)
        if agreed is None:
            where = f"the order in {prefix[:-1]}" if prefix else "the order of the file"
            self.conflicts.append(Conflict(where, "you reordered it, and so does the rendering"))
        above = pieces.each(lambda found: dict(zip([*found][1:], found, strict=False)))
        for key, over in zip(order, [None, *order], strict=False):  # blank lines as they were there
            if above.new.get(key) != over == above.mine.get(key) and key in pieces.mine:
                chosen[key] = _spaced(chosen[key], like=pieces.mine[key].node)
        return [chosen[key] for key in order]

    def piece(self, name: str, sides: Sides[Piece | None]) -> Statement | None:
        """One piece of the three, or what becomes of it where both sides changed it."""
        mine, new = sides.mine, sides.new
        agreed = "mine" if mine and mine.kept else sides.agreed(_alike)
        if agreed == "mine":
            self.carried += _edited_names(name, sides.base, mine)
        if agreed:
            piece = sides.of(agreed)
            return piece.node if piece else None
        self.carried.append(name)
        if mine is None or new is None:
            return self.conflict(name, DELETED if new else GONE, sides)
        return self.both(name, sides.base, mine, new)

    def both(self, name: str, base: Piece | None, mine: Piece, new: Piece) -> Statement:
        """A piece that both sides changed or made."""
        one: Statement | None = None
        if base:
            one = self.as_class(name, Sides(base.node, mine.node, new.node))
            if one:
                self.carried.remove(name)  # its members say it better
        if one is None and mine.key[0] == "from":
            one = merge_from(base, mine, new)
        if one is None:
            codes = Sides(base.code if base else "", mine.code, new.code)
            one = self.by_lines(codes, mine.node)
            if one is None and mine.key == ("docstring",):
                one = self.by_words(codes)
            one = one and _spaced(one, like=new.node)
        if one is None and base:
            one = self.apart(Sides(base.node, mine.node, new.node))
        if one is None:
            one = self.conflict(name, BOTH, Sides(base, mine, new))
        assert one is not None
        return one

    def as_class(self, name: str, nodes: Sides[Statement]) -> cst.ClassDef | None:
        """Both sides' class, member by member; None where it is none, or its head is disputed."""
        blocks = nodes.each(_block)
        if blocks.base is None or blocks.mine is None or blocks.new is None:
            return None
        agreed = nodes.each(_head).agreed(same)
        if agreed is None:
            return None
        full = Sides(blocks.base, blocks.mine, blocks.new)
        self.depth += 1
        members = self.body(full.each(lambda block: pieces_of(block.body)), f"{name}.")
        foot = self.foot(f"the end of {name}", full.each(lambda block: block.footer), members)
        self.depth -= 1
        top, block = nodes.of(agreed), full.of(agreed).with_changes(body=members, footer=foot)
        assert isinstance(top, cst.ClassDef)
        return top.with_changes(body=block)

    def by_lines(self, codes: Sides[str], mine: Statement) -> Statement | None:
        """One definition's lines merged; None if they can't be."""
        merged = merge_lines(codes, self.side)
        if not merged.clean:  # the person's formatting may be all that is in the way
            plain = replace(codes, mine=formatted(mine, self.depth))
            merged = merge_lines(plain, self.side)
        return _one_statement(merged.text) if merged.clean else None

    def by_words(self, codes: Sides[str]) -> Statement | None:
        """A docstring's words merged; None if both changed the same."""
        merged = merge_words(codes)
        return _one_statement(merged.text) if merged.clean else None

    def apart(self, nodes: Sides[Statement]) -> Statement | None:
        """The comments above from the side that changed them, what is below merged on its own."""
        above = nodes.each(lambda node: comments(node.leading_lines))
        agreed = above.agreed(lambda one, other: one == other)
        if agreed is None:
            return None
        below = nodes.each(lambda node: node.with_changes(leading_lines=()))
        one = self.by_lines(below.each(code_of), below.mine)
        return one and one.with_changes(leading_lines=nodes.of(agreed).leading_lines)

    def conflict(self, name: str, reason: str, pieces: Sides[Piece | None]) -> Statement | None:
        """The side that was chosen, or a place for all three texts."""
        if self.side:
            chosen = pieces.of(self.side)
            return chosen.node if chosen else None
        self.conflicts.append(Conflict(name, reason))
        texts = pieces.each(lambda piece: code_at(piece.node, self.depth) if piece else "")
        merged = merge_lines(texts)
        like = pieces.new or pieces.mine
        return self.place(marked(texts) if merged.clean else merged.text, like)

    def place(self, text: str, like: Piece | None = None) -> Statement:
        """A statement that stands for a conflict's text until the module is printed."""
        mark = f"__conflict_{len(self.blocks)}__"
        self.blocks[mark] = text
        node = cst.SimpleStatementLine([cst.Expr(cst.Name(mark))])
        return node.with_changes(leading_lines=_blank(like.node)) if like else node

    def foot(self, where: str, ends: Sides[Lines], body: list[Statement]) -> Lines:
        """The comments after the last statement; if both changed them, `body` gets a conflict."""
        said = ends.each(comments)
        agreed = said.agreed(lambda one, other: one == other) or self.side
        if agreed is None:
            self.conflicts.append(Conflict(where, BOTH))
            indent = "    " * self.depth
            texts = said.each(lambda lines: "".join(f"{indent}{line}\n" for line in lines))
            body.append(self.place(marked(texts)))
            return ()
        if agreed == "mine":
            self.carried.append(where)
        return ends.of(agreed)

    def header(self, heads: Sides[Lines]) -> Lines:
        """The first comments: the line that says what the file is made from is always new."""
        rest = heads.each(lambda lines: [line for line in lines if not _is_made(line)])
        agreed = rest.each(comments).agreed(lambda one, other: one == other) or self.side
        if agreed is None:
            self.conflicts.append(Conflict("the comments at the top", BOTH))
        if agreed == "new":
            return heads.new
        self.carried.append("the comments at the top")
        wanted = any(map(_is_made, heads.mine))
        made = [line for line in heads.new if wanted and _is_made(line)]
        return [*made, *rest.mine]

    def with_imports(self, module: cst.Module, sides: Sides[dict[Key, Piece]]) -> list[Statement]:
        """The merged body with the imports that it uses and one of the sides dropped."""
        candidates = [*sides.new.values(), *sides.mine.values(), *sides.base.values()]
        # what is disputed may use what either side imports
        disputed = "\n".join(piece.code for piece in candidates) if self.blocks else ""
        body = list(_statements(module.body))
        for added in with_used(module.code, disputed, candidates):
            body = _with_import(body, added)
        return body

    def filled(self, code: str) -> str:
        """The code with the texts of its conflicts where they belong."""
        return "".join(self.blocks.get(line.strip(), line) for line in code.splitlines(True))


def _edited_names(name: str, base: Piece | None, mine: Piece | None) -> list[str]:
    """What a person edited in a piece: of a class whose head is as it was, its members."""
    if base is None or mine is None or _block(base.node) is None or _block(mine.node) is None:
        return [name]
    if not same(_head(base.node), _head(mine.node)):
        return [name]
    members = _Merge(None)
    members.as_class(name, Sides(base.node, mine.node, base.node))
    return members.carried or [name]


def _alike(one: Piece | None, other: Piece | None) -> bool:
    if one is None or other is None:
        return one is other
    return same(one.code, other.code)


def _block(node: Statement) -> cst.IndentedBlock | None:
    """The members of a class that has a block of them."""
    match node:
        case cst.ClassDef(body=cst.IndentedBlock() as block):
            return block
    return None


def _head(node: Statement) -> str:
    """A class without its members."""
    block = _block(node)
    assert block is not None
    nothing = cst.parse_statement("pass")
    return code_of(node.with_changes(body=block.with_changes(body=[nothing], footer=())))


def _blank(node: Statement) -> list[cst.EmptyLine]:
    """The empty lines above a statement and its comments."""
    return list(itertools.takewhile(lambda line: line.comment is None, node.leading_lines))


def _spaced(node: Statement, like: Statement) -> Statement:
    """A statement with the empty lines above it that another has."""
    own = itertools.dropwhile(lambda line: line.comment is None, node.leading_lines)
    return node.with_changes(leading_lines=[*_blank(like), *own])


def _statements(body: Sequence[cst.BaseStatement]) -> Iterator[Statement]:
    for node in body:
        assert isinstance(node, Statement)
        yield node


def _one_statement(text: str) -> Statement | None:
    """The statement that a text is, if it is one."""
    try:
        ast.parse(text)
        module = cst.parse_module(text)
    except (SyntaxError, ValueError, cst.ParserSyntaxError):
        return None
    if len(module.body) != 1 or module.footer:
        return None
    (node,) = _statements(module.body)
    return node.with_changes(leading_lines=[*module.header, *node.leading_lines])


def _with_import(body: list[Statement], added: Piece) -> list[Statement]:
    """A body with an import more: beside the names of the same module, or after the last import."""
    last = 0
    for index, (key, piece) in enumerate(pieces_of(body).items()):
        if key == added.key and key[0] == "from":
            assert isinstance(piece.node, cst.SimpleStatementLine)
            return [*body[:index], extend(piece.node, added), *body[index + 1 :]]
        if key[0] in ("from", "import", "docstring"):
            last = index + 1
    return [*body[:last], added.node.with_changes(leading_lines=()), *body[last:]]


def _is_made(line: cst.EmptyLine) -> bool:
    return line.comment is not None and line.comment.value.startswith(MADE)
