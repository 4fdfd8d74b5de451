# Made from specs/llama.yaml; make it again: tgen build specs/llama.yaml
"""What is said in a chat as one text, by the template that came with the tokenizer."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .checkpoint import read_json

FILE, CONFIG = "chat_template.jinja", "tokenizer_config.json"
SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token")


class Message(NamedTuple):
    """Something that the system, the user or the assistant has said."""

    role: str
    content: str


class ChatTemplate:
    """A Jinja template, run in a sandbox as transformers runs it."""

    def __init__(self, source: str, special: Mapping[str, str], path: Path) -> None:
        try:
            import jinja2
        except ImportError:
            raise ValueError("chats need the jinja2 package: pip install jinja2") from None
        self.path, self.special, self.errors = path, special, (jinja2.TemplateError, TypeError)
        try:
            self.template = sandbox(generation_tag()).from_string(source)
        except jinja2.TemplateError as error:
            raise ValueError(f"{path} has no template of a chat: {error!s:.200}") from None

    def render(self, messages: Sequence[Message], answer: bool = True) -> str:
        """The text of messages and, before an `answer`, how that begins."""
        text = self.filled(self.template, messages, answer)
        for role, content in messages:
            if role != "assistant" and content.strip() not in text:
                raise ValueError(f"the template of {self.path} leaves out what the {role} says")
        return text

    def filled(self, template: Any, messages: Sequence[Message], answer: bool) -> str:
        try:
            text: str = template.render(
                messages=[message._asdict() for message in messages],
                tools=None,
                documents=None,
                add_generation_prompt=answer,
                **self.special,
            )
        except self.errors as error:
            raise ValueError(f"the template of {self.path} refuses: {error!s:.200}") from None
        return text

    def ends(self, encode: Callable[[str], list[int]]) -> tuple[int, ...]:
        """The token that ends what is said, where it has a name."""
        tokens = encode(self.special.get("eos_token", ""))
        return tuple(tokens) if len(tokens) == 1 else ()


def sandbox(tag: type[Any]) -> Any:
    """Where templates of strangers are run, with a tag for what an assistant says."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", tag]
    )
    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return environment


def generation_tag() -> type[Any]:
    """A tag with which templates mark what an assistant says, for those who train on it."""
    from jinja2.ext import Extension
    from jinja2.nodes import Node
    from jinja2.parser import Parser

    def parse(_: Extension, parser: Parser) -> Node | list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    return type("Generation", (Extension,), {"tags": {"generation"}, "parse": parse})


def refuse(message: str) -> None:
    """What a template calls where it can't do what it is asked for."""
    import jinja2

    raise jinja2.TemplateError(message)


def to_json(value: Any, indent: int | None = None, **how: Any) -> str:
    """Jinja's own filter would write <, >, & and ' in another way."""
    return json.dumps(value, ensure_ascii=False, indent=indent, **how)


def read_template(folder: Path) -> ChatTemplate:
    """The template in the folder of a checkpoint, and the tokens that it calls by name."""
    config = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    if not isinstance(config, dict):
        raise ValueError(f"{folder / CONFIG} is no mapping of fields")
    source, path = config.get("chat_template"), folder / CONFIG
    if (folder / FILE).is_file():
        path = folder / FILE
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} can't be read: {error}") from None
    elif isinstance(source, list):  # several with names
        source = next((one.get("template") for one in source if one.get("name") == "default"), None)
    if not isinstance(source, str):
        raise ValueError(f"{folder} says in neither {FILE} nor {CONFIG} how a chat becomes a text")
    return ChatTemplate(source, special_tokens(config), path)


def special_tokens(config: Mapping[str, Any]) -> dict[str, str]:
    """The texts of the tokens that the file names."""
    found = {}
    for name in SPECIAL:
        said = config.get(name)
        said = said.get("content") if isinstance(said, dict) else said
        if isinstance(said, str):
            found[name] = said
    return found
