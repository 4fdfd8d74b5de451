"""A server answers as the model alone does, whoever else asks, and whatever they ask for."""

from __future__ import annotations

import http.client
import json
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest

from tests.use.served import TEXT, Alone, serving, write_run

SYSTEM, USER = ("system", "You are a fox."), ("user", "Who jumps over it?")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def alone(folder: Path) -> Alone:
    return write_run(folder)


@pytest.fixture(scope="module")
def address(folder: Path, alone: Alone) -> Iterator[str]:
    with serving(folder, "--slots", "3", "--waiting", "2", "--length", "200") as (found, _):
        yield found


CLIENTS: list[openai.OpenAI] = []


def client(address: str, key: str = "none") -> openai.OpenAI:
    CLIENTS.append(openai.OpenAI(base_url=address, api_key=key, max_retries=0, timeout=60))
    return CLIENTS[-1]


@pytest.fixture(autouse=True)
def clients_are_closed() -> Iterator[None]:
    yield
    while CLIENTS:
        CLIENTS.pop().close()


def messages(*said: tuple[str, str]) -> Any:
    return [{"role": role, "content": content} for role, content in said]


def test_a_completion_is_what_the_model_says_alone(address: str, alone: Alone) -> None:
    asked = client(address)
    (model,) = asked.models.list().data
    assert model.id == asked.models.retrieve("small").id == "small"
    for prompt in ("The quick", "12", "é", "The quick brown fox " * 8):
        made = asked.completions.create(model="small", prompt=prompt, max_tokens=30)
        assert made.choices[0].text == alone.completion(prompt, 30)
        assert made.choices[0].finish_reason == "length"
        assert made.usage is not None and made.usage.completion_tokens == 30
        assert made.usage.prompt_tokens == len(alone.tokenizer.encode(prompt))


def test_a_chat_is_by_the_template_and_streams(address: str, alone: Alone) -> None:
    said = [SYSTEM, USER]
    wanted = alone.chat(said, 40)
    asked = client(address).chat.completions
    whole = asked.create(model="small", messages=messages(*said), max_tokens=40)
    assert whole.choices[0].message.content == wanted
    options: Any = {"include_usage": True}
    stream = asked.create(
        model="small", messages=messages(*said), max_tokens=40, stream=True, stream_options=options
    )
    *parts, counts = stream
    assert "".join(part.choices[0].delta.content or "" for part in parts) == wanted
    assert parts[-1].choices[0].finish_reason in ("stop", "length")
    assert counts.usage == whole.usage


def test_parts_of_a_message_and_stops(address: str, alone: Alone) -> None:
    parts: Any = [{"type": "text", "text": "Who jumps "}, {"type": "text", "text": "over it?"}]
    said: Any = [{"role": "user", "content": parts}]
    whole = alone.chat([USER], 40)
    stop = whole[5:8]
    made = client(address).chat.completions.create(
        model="small", messages=said, max_completion_tokens=40, stop=[stop, "nowhere"]
    )
    assert made.choices[0].message.content == whole[: whole.find(stop)]
    assert made.choices[0].finish_reason == "stop"


def test_draws_repeat_with_a_seed(address: str) -> None:
    asked = client(address).completions
    how: Any = {"model": "small", "prompt": "The", "max_tokens": 40, "temperature": 1.5}
    texts = [asked.create(**how, seed=seed).choices[0].text for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def post(
    address: str, body: bytes, path: str = "/v1/completions", **headers: str
) -> tuple[int, str]:
    split = urlsplit(address)
    connection = http.client.HTTPConnection(split.hostname or "", split.port, timeout=30)
    with closing(connection):
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


HOSTILE: dict[str, tuple[int, bytes]] = {
    "no JSON": (400, b"{"),
    "no object": (400, b"[1]"),
    "deep": (400, b"[" * 100_000),
    "no prompt": (400, b"{}"),
    "tokens for a prompt": (400, b'{"prompt": [1, 2]}'),
    "half a character": (400, b'{"prompt": "\\ud800"}'),
    "not UTF-8": (400, b'{"prompt": "\xff"}'),
    "too long": (400, json.dumps({"prompt": "fox " * 500}).encode()),
    "too many tokens": (400, b'{"prompt": "a", "max_tokens": 1000}'),
    "no tokens": (400, b'{"prompt": "a", "max_tokens": 0}'),
    "NaN": (400, b'{"prompt": "a", "temperature": NaN}'),
    "a text for a number": (400, b'{"prompt": "a", "temperature": "hot"}'),
    "true for a number": (400, b'{"prompt": "a", "max_tokens": true}'),
    "a huge number": (400, b'{"prompt": "a", "seed": ' + b"9" * 4000 + b"}"),
    "several answers": (400, b'{"prompt": "a", "n": 2}'),
    "a field of nobody": (400, b'{"prompt": "a", "temprature": 1}'),
    "an empty stop": (400, b'{"prompt": "a", "stop": [""]}'),
    "a stream of words": (400, b'{"prompt": "a", "stream": "yes"}'),
    "too large": (413, b" " * 4_000_001),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_request_is_refused_by_name(address: str, name: str) -> None:
    status, body = HOSTILE[name]
    found, said = post(address, body)
    assert found == status, said
    assert "Traceback" not in json.loads(said)["error"]["message"]


def test_what_is_no_request_does_no_harm(address: str, alone: Alone) -> None:
    split = urlsplit(address)
    for sent in (b"\x00\xff\n\n", b"POST /v1/completions HTTP/1.1\r\n", b"GET / HTTP/9.9\r\n\r\n"):
        with socket.create_connection((split.hostname, split.port or 0), timeout=5) as raw:
            raw.sendall(sent)
    assert post(address, b"{}", "/v1/nothing")[0] == 404
    bad = json.dumps({"messages": [{"role": "user", "content": 3}]}).encode()
    assert post(address, bad, "/v1/chat/completions")[0] == 400
    made = client(address).completions.create(model="small", prompt="The", max_tokens=5)
    assert made.choices[0].text == alone.completion("The", 5)


def test_a_key_is_asked_for_and_those_too_many_are_told(folder: Path, alone: Alone) -> None:
    options = ("--slots", "1", "--waiting", "0", "--key", "a secret")
    with serving(folder, *options) as (address, _):
        with pytest.raises(openai.AuthenticationError):
            client(address).models.list()
        asked = client(address, "a secret").completions
        how: Any = {"model": "small", "prompt": "The", "max_tokens": 200}
        begun = asked.create(**how, stream=True)
        next(iter(begun))  # it has the slot
        with pytest.raises(openai.RateLimitError):
            asked.create(**how)
        begun.close()  # whoever goes makes room
        for _ in range(100):
            try:
                text = asked.create(**how).choices[0].text
            except openai.RateLimitError:
                time.sleep(0.05)
                continue
            assert text == alone.completion("The", 200)
            return
    pytest.fail("the slot was never free again")


def test_the_end_waits_for_what_runs(folder: Path, alone: Alone) -> None:
    with serving(folder, "--slots", "2") as (address, process):
        stream = client(address).completions.create(
            model="small", prompt="The quick", max_tokens=200, stream=True
        )
        first = next(iter(stream)).choices[0].text
        process.send_signal(signal.SIGTERM)
        rest = "".join(part.choices[0].text for part in stream)
        assert first + rest == alone.completion("The quick", 200)
        assert process.wait(20) == 0


def ask_at_random(address: str, alone: Alone, seed: int, until: float, wrong: list[str]) -> None:
    """Requests of all kinds until a time; in `wrong`, answers that are others than alone."""
    drawn, asked = random.Random(seed), client(address)
    words = [*TEXT.split()[:15], "é"]
    while time.monotonic() < until:
        prompt = " ".join(drawn.choices(words, k=drawn.randint(1, 12)))
        tokens, kind = drawn.choice((1, 7, 40)), drawn.random()
        try:
            if kind < 0.2:
                name = drawn.choice([*HOSTILE])
                found, _ = post(address, HOSTILE[name][1])
                if found not in (HOSTILE[name][0], 429):
                    wrong.append(f"{name}: {found}")
            elif kind < 0.4:
                stream = asked.completions.create(
                    model="small", prompt=prompt, max_tokens=100, stream=True
                )
                for _ in range(drawn.randint(0, 5)):
                    next(iter(stream))
                stream.close()
            elif kind < 0.7:
                stream = asked.completions.create(
                    model="small", prompt=prompt, max_tokens=tokens, stream=True
                )
                text = "".join(part.choices[0].text for part in stream)
                if text != alone.completion(prompt, tokens):
                    wrong.append(f"{prompt}: {text}")
            else:
                made = asked.chat.completions.create(
                    model="small", messages=messages(("user", prompt)), max_tokens=tokens
                )
                if made.choices[0].message.content != alone.chat([("user", prompt)], tokens):
                    wrong.append(f"{prompt}: {made.choices[0].message.content}")
        except (openai.RateLimitError, StopIteration):
            continue
        except Exception as error:
            wrong.append(f"{type(error).__name__}: {error}")


def check_crowd(folder: Path, alone: Alone, seconds: float) -> None:
    with serving(folder, "--slots", "4", "--waiting", "8", "--length", "200") as (address, process):
        resident = Path(f"/proc/{process.pid}/statm")
        wrong: list[str] = []
        memory = []
        for part in range(3):
            until = time.monotonic() + seconds / 3
            crowd = [
                threading.Thread(target=ask_at_random, args=(address, alone, seed, until, wrong))
                for seed in range(8 * part, 8 * part + 8)
            ]
            for each in crowd:
                each.start()
            for each in crowd:
                each.join()
            assert not wrong, wrong[:5]
            memory.append(int(resident.read_text().split()[1]) * 4096)
        assert memory[2] - memory[1] < 20_000_000, memory


def test_eight_clients_at_once_are_answered_as_if_alone(folder: Path, alone: Alone) -> None:
    check_crowd(folder, alone, seconds=6)


@pytest.mark.long
def test_eight_clients_for_a_minute(folder: Path, alone: Alone) -> None:
    check_crowd(folder, alone, seconds=60)
