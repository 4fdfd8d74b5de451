# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""Chats from files: what was said, row by row of .jsonl and parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .chat import BEGIN, END, Message
from .files import files_of, kind_of, rows_of, rows_of_parquet

MOST = 500  # sources
ROLES = {"human": "user", "gpt": "assistant"}  # as others call them
FIELDS = (("messages",), ("conversations",), ("prompt", "response"), ("prompt", "completion"))


class Row(NamedTuple):
    """What an error calls a row, and what is in it."""

    where: str
    fields: dict[str, Any]


def rows_in(files: Sequence[Path]) -> Iterator[Row]:
    """The rows of files, one file after the other."""
    for path in files:
        read, empty = rows_of_parquet if kind_of(path) == ".parquet" else rows_of, True
        for where, fields in read(path):
            empty = False
            if not isinstance(fields, dict):
                raise ValueError(f"{where} is no object with fields")
            yield Row(where, fields)
        if empty:
            raise ValueError(f"{path} has no rows")


def fields_of(row: Row, said: str) -> tuple[str, ...]:
    """The fields that hold a chat: those that are said, else known ones that are there."""
    asked = (tuple(name.strip() for name in said.split(",")),) if said else FIELDS
    for names in asked:
        if set(names) <= row.fields.keys():
            return names
    known = said or "; ".join(", ".join(names) for names in FIELDS)
    there = ", ".join(map(str, row.fields)) or "nothing"
    raise ValueError(f"{row.where} has no {known}; say with --fields which of {there:.200}")


def chat_in(row: Row, said: str) -> list[Message]:
    """What a row says: messages, or what was asked and what was answered."""
    names = fields_of(row, said)
    if len(names) > 2:
        raise ValueError(f"--fields is {said}, not messages alone, or what is asked and answered")
    roles = ("user", "assistant") if len(names) == 2 else ("",)
    each = [messages_in(row, *how) for how in zip(names, roles, strict=True)]
    messages = [message for part in each for message in part]
    if not any(message.role == "assistant" for message in messages):
        raise ValueError(f"{row.where} has no answer: the assistant says nothing")
    if not all(m.content.strip() for m in messages if m.role == "assistant"):
        raise ValueError(f"{row.where} has an empty answer")
    return messages


def messages_in(row: Row, name: str, role: str) -> list[Message]:
    """The messages of a field, or the one text that somebody has said, who is known by a role."""
    said = row.fields[name]
    if isinstance(said, list):
        return [message_in(one, f"{row.where}: `{name}`") for one in said]
    if not role or not isinstance(said, str):
        what = "a text or " * bool(role) + "a list of messages"
        raise ValueError(f"{row.where}: `{name}` is not {what}")
    return [message(role, said, f"{row.where}: `{name}`")]


def message_in(said: Any, where: str) -> Message:
    """A message by the names of its parts, of which there are two sets."""
    for role, content in (("role", "content"), ("from", "value")):
        if isinstance(said, dict) and role in said and content in said:
            who, what = said[role], said[content]
            if not isinstance(who, str) or not isinstance(what, str):
                raise ValueError(f"{where} has a {role} or a {content} that is no text")
            return message(ROLES.get(who, who), what, where)
    raise ValueError(f"{where} has a message without role and content, or from and value")


def message(role: str, content: str, where: str) -> Message:
    if any("\ud800" <= c <= "\udfff" or c in (BEGIN, END) for c in content):
        raise ValueError(f"{where} has half a character, or one that stands for none")
    return Message(role, content)


def sources_of(data: Sequence[str], weights: Sequence[str]) -> list[list[Path]]:
    """The files to draw from: all together or, with weights, those of each of --data."""
    if not weights:
        return [files_of(data)]
    if len(weights) > MOST:
        raise ValueError(f"--weights has {len(weights)} numbers, more than {MOST}")
    if len(weights) != len(data):
        raise ValueError(f"--weights has {len(weights)} numbers, and --data {len(data)} names")
    return [files_of([name]) for name in data]


def weights_of(weights: Sequence[str]) -> list[float]:
    """The numbers of --weights, one where there are none."""
    try:
        found = [float(weight) for weight in weights or ("1",)]
    except ValueError:
        found = [0.0]
    if not all(0 < weight < 1e9 for weight in found):
        raise ValueError(f"--weights is {' '.join(weights)}, not of numbers above 0")
    return found
