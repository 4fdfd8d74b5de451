"""The tokens that are trained are those that transformers marks as the assistant's."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from tests.chats.small import CHATML, Turns, make_tokenizer, messages, spec_of
from tests.packages import import_package

FOLDER = Path(__file__).parents[1] / "use" / "chat_templates"
NAMES = {"bos_token": "<s>", "eos_token": "</s>"}
BEGIN, END = "{% generation %}", "{% endgeneration %}"
MARKS = {  # what a template says of an answer, and the same with marks
    "qwen2": (
        "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}",
        "{{- '<|im_start|>' + message.role + '\\n' }}{% if message.role == 'assistant' %}"
        + BEGIN
        + "{{ message.content + '<|im_end|>\\n' }}"
        + END
        + "{% else %}{{ message.content + '<|im_end|>\\n' }}{% endif %}",
    ),
    "llama3": (
        "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + "
        "message['content'] | trim + '<|eot_id|>' }}",
        "{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
        "{% if message.role == 'assistant' %}"
        + BEGIN
        + "{{ message['content'] | trim + '<|eot_id|>' }}"
        + END
        + "{% else %}{{ message['content'] | trim + '<|eot_id|>' }}{% endif %}",
    ),
    "gemma": (
        "{{ '<start_of_turn>' + role + '\\n' + (message['content'] | trim) + '<end_of_turn>\\n' }}",
        "{{ '<start_of_turn>' + role + '\\n' }}{% if role == 'model' %}"
        + BEGIN
        + "{{ message['content'] | trim + '<end_of_turn>\\n' }}"
        + END
        + "{% else %}{{ message['content'] | trim + '<end_of_turn>\\n' }}{% endif %}",
    ),
    "mistral": (
        '{{- " " + message.content | trim + eos_token }}',
        BEGIN + '{{- " " + message.content | trim + eos_token }}' + END,
    ),
    "llama2": (
        "{{ ' ' + content.strip() + ' ' + eos_token }}",
        BEGIN + "{{ ' ' + content.strip() + ' ' + eos_token }}" + END,
    ),
    "granite": (
        "{{- '<|start_of_role|>assistant<|end_of_role|>' + message['content'] | "
        "replace('\\r', '') + '<|end_of_text|>\\n' }}",
        "{{- '<|start_of_role|>assistant<|end_of_role|>' }}"
        + BEGIN
        + "{{ message['content'] + '<|end_of_text|>\\n' }}"
        + END,
    ),
}
CHATS: tuple[Turns, ...] = (
    (("user", "What is two and two?"), ("assistant", "Four, of course.")),
    (
        ("user", "  What is two? \n"),
        ("assistant", "Two \u00e9\U0001f98a."),
        ("user", "And three"),
        ("assistant", "Three, of course\n- four"),
    ),
)
SYSTEM: Turns = (("system", "Be brief."), *CHATS[1])
REFUSED = {  # templates that write a turn in another way later on
    "mistral": (SYSTEM, "leaves out what the system says"),
    "phi3": (CHATS[1], "once more is said"),
    "qwen3": (
        (CHATS[0][0], ("assistant", "<think>\nhm\n</think>\n\nFour"), *CHATS[0]),
        "once more is said",
    ),
    "deepseek_v3": (
        (CHATS[0][0], ("assistant", "<think>hm</think>Four")),
        "leaves out a part",
    ),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> list[ModuleType]:
    folder = tmp_path_factory.mktemp("trained")
    return import_package(folder, spec_of("trained", "chat"), "chat", "trained")


def ours(package: list[ModuleType], template: str, turns: Turns) -> tuple[list[int], list[int]]:
    """Tokens of a chat, and whether each is trained."""
    chat, trained = package
    read = chat.ChatTemplate(template, NAMES, Path("chat_template.jinja"))
    said = trained.answers_in(read, [chat.Message(*turn) for turn in turns])
    (example,) = trained.encoded(make_tokenizer(), [trained.Text(*said, "a.jsonl:1")])
    return example.tokens.tolist(), example.trained.astype(int).tolist()


def theirs(template: str, turns: Turns) -> tuple[list[int], list[int]]:
    """The same by transformers, which TRL asks for it."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=make_tokenizer(), chat_template=template, **NAMES
    )
    found: Any = tokenizer.apply_chat_template(
        messages(turns), return_dict=True, return_assistant_tokens_mask=True
    )
    return found["input_ids"], found["assistant_masks"]


@pytest.mark.parametrize("name", MARKS)
def test_trained_tokens_are_those_that_transformers_marks(
    package: list[ModuleType], name: str
) -> None:
    plain = (FOLDER / f"{name}.jinja").read_text()
    assert plain.count(MARKS[name][0]) == 1
    marked = plain.replace(*MARKS[name])
    for turns in (*CHATS, *((SYSTEM,) if name not in ("gemma", "mistral") else ())):
        wanted = theirs(marked, turns)
        assert 0 < sum(wanted[1]) < len(wanted[1])
        assert ours(package, plain, turns) == wanted  # turn by turn
        assert ours(package, marked, turns) == wanted  # by its marks


def test_a_template_that_comes_with_marks_is_read_by_them(package: list[ModuleType]) -> None:
    template = (FOLDER / "olmo2.jinja").read_text()
    for turns in (*CHATS, SYSTEM):
        assert ours(package, template, turns) == theirs(template, turns)


TURN_BY_TURN = (  # of TRL's templates those that mark just what is added to what asks for an answer
    *("cohere", "gemma", "gemma3", "lfm2", "llama3", "qwen2_5_vl", "qwen3_instruct_2507"),
)


@pytest.mark.parametrize("name", TURN_BY_TURN)
def test_trained_tokens_are_those_of_the_templates_that_trl_trains_with(
    package: list[ModuleType], name: str
) -> None:
    pytest.importorskip("trl")
    spec = find_spec("trl")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "chat_templates"
    plain, marked = ((folder / f"{name}{end}.jinja").read_text() for end in ("", "_training"))
    for turns in CHATS:
        wanted = theirs(marked, turns)
        assert ours(package, plain, turns) == ours(package, marked, turns) == wanted


@pytest.mark.parametrize("name", REFUSED)
def test_a_template_that_can_not_be_split_is_refused(package: list[ModuleType], name: str) -> None:
    turns, why = REFUSED[name]
    with pytest.raises(ValueError, match=why):
        ours(package, (FOLDER / f"{name}.jinja").read_text(), turns)


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (CHATML.replace("<|im_start|>assistant\n{% endif", "<|im_start|>bot\n{% endif"), "before"),
        (
            "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}"
            "{% if add_generation_prompt %}assistant: {% endif %}",
            "' Four' is only in part an answer's",
        ),
        (
            "{% for m in messages %}{{ m.role }}{% set x %}{% generation %} {{ m.content }} "
            "{% endgeneration %}{% endset %}{{ x | upper }}{% endfor %}",
            "changes what it marks|leaves out",
        ),
    ],
)
def test_a_border_that_is_not_exact_is_refused(
    package: list[ModuleType], template: str, why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        ours(package, template, CHATS[0])
