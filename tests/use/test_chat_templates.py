"""Chats become the texts that transformers makes of them by the same templates."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from tests.packages import import_package
from tests.use.small import LANGUAGE_MODEL

TEMPLATES = sorted((Path(__file__).parent / "chat_templates").glob("*.jinja"))
NO_SYSTEM = ("gemma",)
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}
SYSTEM = ("system", "Answer in verse, <b>please</b> & 'now'.")
TURNS = (
    ("user", "  What is 2 + 2?\n"),
    ("assistant", "<think>\nhm\n</think>\n\nFour, é.\r"),
    ("user", "And {{ messages }} {% raw %}?"),
)


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    folder = tmp_path_factory.mktemp("chat")
    return import_package(folder, {"name": "chatting", **LANGUAGE_MODEL}, "chat")[0]


def write(folder: Path, template: Path, inside: bool) -> None:
    """The template in a file of its own, or in the tokenizer's."""
    config: dict[str, Any] = {**SPECIAL, "eos_token": {"content": "</s>", "lstrip": False}}
    if inside:
        config["chat_template"] = [
            {"name": "tool_use", "template": "no"},
            {"name": "default", "template": template.read_text()},
        ]
    else:
        (folder / "chat_template.jinja").write_text(template.read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
def test_a_chat_is_the_text_that_transformers_makes_of_it(
    chat: ModuleType, template: Path, inside: bool, tmp_path: Path
) -> None:
    write(tmp_path, template, inside)
    ours = chat.read_template(tmp_path)
    chats = [TURNS[:1], TURNS, TURNS[:2]]
    if template.stem not in NO_SYSTEM:
        chats += [(SYSTEM, *TURNS)]
    for turns in chats:
        for answer in (True, False):
            said = [{"role": role, "content": content} for role, content in turns]
            rendered, _ = render_jinja_template(
                [said],
                chat_template=template.read_text(),
                add_generation_prompt=answer,
                **SPECIAL,
            )
            assert [ours.render([chat.Message(*turn) for turn in turns], answer)] == rendered


@pytest.mark.parametrize(
    ("template", "turns", "words"),
    [
        ("gemma", (SYSTEM, *TURNS), "There is no system here"),
        ("llama2", (TURNS[0], TURNS[0]), "must take turns"),
        ("phi3", (("tool", "a result"), *TURNS), "leaves out what the tool says"),
    ],
)
def test_what_a_template_can_not_do_is_an_error(
    chat: ModuleType, template: str, turns: Any, words: str, tmp_path: Path
) -> None:
    write(tmp_path, Path(__file__).parent / f"chat_templates/{template}.jinja", inside=False)
    ours = chat.read_template(tmp_path)
    with pytest.raises(ValueError, match=words):
        ours.render([chat.Message(*turn) for turn in turns])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% for %}", "no template of a chat"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{{ missing.field }}", "undefined"),
    ],
)
def test_a_template_of_a_stranger_runs_in_a_sandbox(
    chat: ModuleType, text: str, words: str, tmp_path: Path
) -> None:
    (tmp_path / "chat_template.jinja").write_text(text)
    with pytest.raises(ValueError, match=words):
        chat.read_template(tmp_path).render([chat.Message("user", "hi")])


def test_a_folder_without_a_template_says_so(chat: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="how a chat becomes a text"):
        chat.read_template(tmp_path)
