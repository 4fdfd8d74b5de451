# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""What the clients of OpenAI's API ask for: every field has a meaning here, or is refused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .chat import ChatTemplate, Message
from .generate import Choice

INERT = {  # fields that change no answer
    *("model", "user", "metadata", "store", "service_tier", "safety_identifier", "stream_options"),
    *("prompt_cache_key", "verbosity", "parallel_tool_calls"),
}
WITHOUT = {  # fields that this server has no means for, unless they say this
    **{"n": 1, "best_of": 1, "frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {}},
    **{"logprobs": False, "top_logprobs": 0, "echo": False, "suffix": "", "tools": []},
    **{"tool_choice": "none", "functions": [], "response_format": {"type": "text"}},
}


class RefusedError(Exception):
    """What a client gets instead of an answer: an HTTP status, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Asked:
    """What a client's fields ask for."""

    prompt: str
    special: bool  # whether the tokenizer adds what it adds to a text
    tokens: int | None
    choice: Choice
    stops: tuple[str, ...]
    seed: int | None
    stream: bool
    usage: bool  # whether a stream ends with counts


def number(fields: dict[str, Any], name: str, default: Any, least: float, most: float) -> Any:
    """A number of a request, within bounds; whole where its default or its bounds are."""
    value = fields.pop(name, None)
    if value is None:
        return default
    kinds = (int,) if isinstance(most, int) else (int, float)
    if type(value) not in kinds or not least <= value <= most:
        raise RefusedError(400, f"{name} is {value!r:.60}, not a number from {least} to {most}")
    return value


def texts(fields: dict[str, Any], name: str) -> tuple[str, ...]:
    """A text of a request or several; none where there is no such field."""
    value = fields.pop(name, None)
    several = [value] if isinstance(value, str) else value or []
    if not isinstance(several, list) or not all(isinstance(one, str) and one for one in several):
        raise RefusedError(400, f"{name} is {value!r:.60}, not a text or several")
    return tuple(several)


def asked(fields: Any, choice: Choice, template: ChatTemplate | None) -> Asked:
    """What a request asks for; every field has a meaning here, or is refused."""
    if not isinstance(fields, dict):
        raise RefusedError(400, "a request is a JSON object with fields")
    fields = {name: value for name, value in fields.items() if value is not None}
    options = fields.get("stream_options")
    usage = isinstance(options, dict) and options.get("include_usage") is True
    stream = fields.pop("stream", False)
    if not isinstance(stream, bool):
        raise RefusedError(400, f"stream is {stream!r:.60}, not true or false")
    choice = replace(
        choice,
        temperature=number(fields, "temperature", choice.temperature, 0.0, 100.0),
        top_k=number(fields, "top_k", choice.top_k, 0, 2**31),
        top_p=number(fields, "top_p", choice.top_p, 1e-9, 1.0),
        min_p=number(fields, "min_p", choice.min_p, 0.0, 1.0),
        repetition_penalty=number(
            fields, "repetition_penalty", choice.repetition_penalty, 1e-6, 1e6
        ),
    )
    tokens = number(fields, "max_tokens", None, 1, 2**31)
    tokens = number(fields, "max_completion_tokens", tokens, 1, 2**31)
    seed, stops = number(fields, "seed", None, -(2**63), 2**63 - 1), texts(fields, "stop")
    if template is not None:
        prompt = said_in(fields.pop("messages", None), template)
    else:
        prompt = prompt_in(fields)
    if others := [name for name, value in fields.items() if not without_effect(name, value)]:
        raise RefusedError(400, f"this server has no {', '.join(others)}")
    special = template is None
    return Asked(prompt, special, tokens, choice, stops, seed, stream, usage)


def prompt_in(fields: dict[str, Any]) -> str:
    prompt = fields.pop("prompt", None)
    if not isinstance(prompt, str) or not prompt:
        raise RefusedError(400, "prompt is the one text to go on from")
    return prompt


def without_effect(name: str, value: Any) -> bool:
    """Whether an answer is the same with this field and without it."""
    return name in INERT or (name in WITHOUT and value == WITHOUT[name])


def message_of(fields: Any) -> Message:
    """A message of a chat, whose text may come in parts."""
    known = {name: one for name, one in fields.items() if one} if isinstance(fields, dict) else {}
    role, content = known.pop("role", None), known.pop("content", None)
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        content = "".join(map(str, parts)) if all(isinstance(one, str) for one in parts) else None
    if known or not isinstance(role, str) or not isinstance(content, str):
        raise RefusedError(400, f"no message of a role and a text alone: {fields!r:.80}")
    return Message(role, content)


def said_in(messages: Any, template: ChatTemplate) -> str:
    """The text of a chat, whose messages may come in parts."""
    said = [message_of(one) for one in messages] if isinstance(messages, list) else []
    if not said:
        raise RefusedError(400, "messages is a list of what was said, with roles and contents")
    try:
        return template.render(said)
    except ValueError as error:
        raise RefusedError(400, str(error)) from None
