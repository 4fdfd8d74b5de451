# Made from specs/deepseek_v3.yaml; make it again: tgen build specs/deepseek_v3.yaml
"""Serve a trained deepseek_v3 over HTTP, as the clients of OpenAI's API expect it.

    python -m generated.deepseek_v3.serve --checkpoint out/deepseek_v3 --port 8000

It is there to try a model: GET /v1/models, POST /v1/chat/completions and POST /v1/completions, with
"stream" or without. SIGTERM lets those who wait have their answers.
"""

from __future__ import annotations

import argparse
import hmac
import json
import queue
import select
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .asked import Asked, RefusedError, asked
from .chat import CONFIG, FILE, ChatTemplate, read_template
from .checkpoint import folder_of
from .data import Tokenizer
from .detokenize import Detokenizer
from .load import load
from .process import HelpFormatter, command, leave
from .sample import DTYPES, add_options, choice_of, find_tokenizer, parsed
from .slots import Request, Slots

NAME = "deepseek_v3"
LARGEST = 4_000_000  # bytes of a request


def template_of(options: argparse.Namespace) -> ChatTemplate | None:
    """That beside the checkpoint; where there is none, there are no chats."""
    folder = folder_of(options.checkpoint)
    if not any((folder / name).is_file() for name in (FILE, CONFIG)):
        return None
    return read_template(folder)


class Server(ThreadingHTTPServer):
    """What all connections share."""

    daemon_threads = True  # idle connections may stay open
    request_queue_size = 128

    def __init__(self, options: argparse.Namespace, tokenizer: Tokenizer, slots: Slots) -> None:
        super().__init__((options.host, options.port), Handler)
        self.options, self.tokenizer, self.slots = options, tokenizer, slots
        self.choice = choice_of(options)
        self.began = int(time.time())
        self.template = template_of(options)
        self.chat_choice = self.choice
        if self.template is not None and not self.choice.ends:
            self.chat_choice = replace(self.choice, ends=self.template.ends(tokenizer.encode))
        self.answering, self.settled = 0, threading.Condition()

    def count(self, more: int) -> None:
        """So many more connections are being answered."""
        with self.settled:
            self.answering += more
            self.settled.notify_all()

    def settle(self) -> None:
        """Waits until all that is asked has been answered."""
        with self.settled:
            self.settled.wait_for(lambda: self.answering == 0)

    def ask(self, asked: Asked) -> Request:
        """The request that is on its way."""
        if self.slots.closed:
            raise RefusedError(503, "this server is about to end")
        try:
            prompt = self.tokenizer.encode(asked.prompt, special=asked.special)
        except ValueError as error:
            raise RefusedError(400, str(error)) from None
        vocabulary, length = self.slots.model.config.vocab_size, self.slots.length
        if not prompt or max(prompt) >= vocabulary:
            raise RefusedError(400, f"the prompt has none of the {vocabulary} tokens, or others")
        room = length - len(prompt)
        tokens = min(room, self.options.tokens or room) if asked.tokens is None else asked.tokens
        if room < 1 or tokens > room:
            more = f" and {asked.tokens} to be made" if asked.tokens else ""
            raise RefusedError(400, f"{len(prompt)} tokens{more}: a slot has room for {length}")
        ends = asked.choice.ends
        stops = (*self.options.stop, *asked.stops)
        before = prompt if asked.special else []  # an answer in a chat begins anew
        text = Detokenizer(self.tokenizer, before, stops, ends)
        request = Request(prompt, tokens, asked.choice, text, asked.seed)
        if not self.slots.ask(request):
            raise RefusedError(429, "all slots are taken, and so are the places to wait for one")
        return request


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 60.0  # seconds that a client may take to send its request

    def do_GET(self) -> None:
        """Tells which model there is."""
        try:
            self.check_key()
            if self.path not in ("/v1/models", f"/v1/models/{NAME}"):
                raise RefusedError(404, f"there is no {self.path:.80}")
            began = self.server.began
            model = {"id": NAME, "object": "model", "created": began, "owned_by": "you"}
            several = {"object": "list", "data": [model]}
            self.reply(200, several if self.path == "/v1/models" else model)
        except RefusedError as refused:
            self.refuse(refused)

    def do_POST(self) -> None:
        """Answers a prompt or a chat."""
        self.server.count(1)
        try:
            self.post()
        finally:
            self.server.count(-1)

    def post(self) -> None:
        try:
            body = self.body()
            self.check_key()
            chat = self.path == "/v1/chat/completions"
            if not chat and self.path != "/v1/completions":
                raise RefusedError(404, f"there is no {self.path:.80}")
            if chat and self.server.template is None:
                raise RefusedError(404, "there is no template of a chat beside the checkpoint")
            choice = self.server.chat_choice if chat else self.server.choice
            asked_for = asked(body, choice, self.server.template if chat else None)
            request = self.server.ask(asked_for)
        except RefusedError as refused:
            self.refuse(refused)
            return
        try:
            if asked_for.stream:
                self.stream(request, chat, asked_for.usage)
            else:
                self.answer(request, chat)
        except (OSError, RefusedError):  # the client has gone, or the connection
            self.close_connection = True
        finally:
            request.gone = True

    def body(self) -> Any:
        """The JSON of a request."""
        size = self.headers.get("Content-Length", "")
        if not size.isascii() or not size.isdigit():
            self.close_connection = True
            raise RefusedError(411, "say with Content-Length how long the request is")
        if int(size) > LARGEST:
            self.drop(int(size))
            raise RefusedError(413, f"{size:.20} bytes are more than {LARGEST:,}")
        try:
            return json.loads(self.rfile.read(int(size)))
        except (ValueError, RecursionError) as error:
            raise RefusedError(400, f"the request is no JSON: {error!s:.200}") from None
        except OSError:
            self.close_connection = True
            raise RefusedError(408, "the request did not come whole") from None

    def drop(self, size: int) -> None:
        """Reads past a request, so that its client hears why; not without an end."""
        self.close_connection = True
        for _ in range(min(size, 16 * LARGEST) // 2**16 + 1):
            if size <= 0 or not self.rfile.read(min(size, 2**16)):
                return
            size -= 2**16

    def check_key(self) -> None:
        key = self.server.options.key
        said = self.headers.get("Authorization", "")
        if key and not hmac.compare_digest(said.encode(), f"Bearer {key}".encode()):
            raise RefusedError(401, "the key is another one")

    def pieces(self, request: Request) -> Iterator[str]:
        """What is said, while the client listens."""
        while True:
            try:
                piece = request.said.get(timeout=0.5)
            except queue.Empty:
                self.check_there()
                continue
            if piece is None:
                return
            yield piece

    def check_there(self) -> None:
        """Raises ConnectionError where the client has gone."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        if readable and self.connection.recv(1, socket.MSG_PEEK) == b"":
            raise ConnectionError

    def answer(self, request: Request, chat: bool) -> None:
        """The whole answer at once."""
        text = "".join(self.pieces(request))
        if request.reason not in ("stop", "length"):
            self.refuse(RefusedError(500, request.reason))
            return
        said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        about = self.about("chat.completion" if chat else "text_completion")
        self.reply(200, {**about, "choices": [choice_made(said, request)], "usage": used(request)})

    def stream(self, request: Request, chat: bool, usage: bool) -> None:
        """The answer as it is made: server-sent events, the last of which says that it is done."""
        about = self.about("chat.completion.chunk" if chat else "text_completion")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if chat:
            first = {"delta": {"role": "assistant", "content": ""}}
            self.event({**about, "choices": [choice_made(first, request)]})
        for piece in self.pieces(request):
            self.check_there()
            said = {"delta": {"content": piece}} if chat else {"text": piece}
            unended = {**choice_made(said, request), "finish_reason": None}
            self.event({**about, "choices": [unended]})
        if request.reason not in ("stop", "length"):
            self.event({"error": {"message": request.reason, "type": "server_error"}})
            return
        last: dict[str, Any] = {"delta": {}} if chat else {"text": ""}
        self.event({**about, "choices": [choice_made(last, request)]})
        if usage:
            self.event({**about, "choices": [], "usage": used(request)})
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, fields: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(fields).encode() + b"\n\n")
        self.wfile.flush()

    def about(self, kind: str) -> dict[str, Any]:
        name = f"{'chat' if kind.startswith('chat') else ''}cmpl-{uuid.uuid4().hex}"
        return {"id": name, "object": kind, "created": int(time.time()), "model": NAME}

    def reply(self, status: int, fields: dict[str, Any]) -> None:
        content = json.dumps(fields).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(content)

    def refuse(self, refused: RefusedError) -> None:
        kind = "server_error" if refused.status >= 500 else "invalid_request_error"
        said = {"message": str(refused), "type": kind, "param": None, "code": refused.status}
        try:
            self.reply(refused.status, {"error": said})
        except OSError:  # it has gone without waiting for it
            self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        if self.server.options.verbose:
            super().log_message(format, *arguments)


def choice_made(said: dict[str, Any], request: Request) -> dict[str, Any]:
    return {"index": 0, **said, "logprobs": None, "finish_reason": request.reason or None}


def used(request: Request) -> dict[str, int]:
    prompt, made = len(request.prompt), request.made
    return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.serve",
        usage="%(prog)s [options]",
        description="Serve a trained deepseek_v3 over HTTP.",
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="who may ask: 0.0.0.0 for all who reach this machine")
    add("--port", type=int, default=8000, help="to listen on; 0: any that is free")
    add("--key", default="", help="what clients have to send as their API key")
    add("--slots", type=int, default=4, help="requests that are answered at once")
    add("--waiting", type=int, default=32, help="requests that may wait for a slot")
    add("--length", type=int, default=4096, help="tokens of a slot, for prompt and answer")
    add("--verbose", action="store_true", help="print a line for each request")
    add_options(parser)
    options = parsed(parser, arguments)
    if not 0 <= options.port < 2**16:
        raise ValueError(f"--port is {options.port}, not from 0 to 65535")
    for name in ("slots", "length"):
        if getattr(options, name) < 1:
            raise ValueError(f"--{name} is {getattr(options, name)}, not at least 1")
    return options


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    model = load(options.checkpoint, options.device).to(DTYPES[options.dtype])
    length = min(options.length, model.config.context_length)
    slots = Slots(model, options.slots, length, options.waiting)
    server = Server(options, find_tokenizer(options), slots)
    worker = threading.Thread(target=slots.run)

    def finish(*_: object) -> None:
        slots.closed = True  # whoever has been let in is answered
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, finish)
    signal.signal(signal.SIGINT, finish)
    worker.start()
    host, port = server.server_address[:2]
    slots_of = f"{options.slots} slots of {length:,} tokens"
    print(f"serving {NAME} at http://{host!s}:{port}/v1, {slots_of}")
    server.serve_forever()
    print("finishing what runs")
    server.settle()
    slots.close()
    worker.join()
    server.server_close()
    return 0


if __name__ == "__main__":
    leave(main())
