"""Damage to specs, of bytes and of structure: each a pure function of a random source."""

from __future__ import annotations

import copy
import functools
import itertools
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from codegen.spec.json_schema import json_schema

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))
WORDS = [
    b"\t", b"  ", b"\n", b"\r", b": ", b", ", b"- ", b"[", b"]", b"{", b"}", b"&a ", b"*a", b"!",
    b"|", b">", b"'", b'"', b"#", b"? ", b"%", b"@", b"<<: *a", b"---", b"...", b"null", b"no",
    b"1e999", b".nan", b"-1", b"0", b"281474976710656", b"0o7", b"\\x00", b"\x00", b"\xff",
    "é\u2028".encode(), b"causal & window(1, ", b"~", b"none", b"linear", b"rms", b"name: x",
    b"extends: gpt.yaml", b"blocks: {a: {}, b: {}}", b"[a, b]", b"kind: ", b"model:\n",
    b"sqrt(d_model)", b"((((",
    b"version: 1\n", b"variants: {heads: [4, 5], ", b"variants:\n  norm: [rms, layer]\n",
    b"context: ",
]  # fmt: skip
ODD_NUMBERS = [
    0, 1, -1, 2, 3, 7, 8, 64, 127, 10_000, 10_001, 2**31, 2**48, 2**48 + 1, 2**63, -(2**63), 10**29,
    10**40, 0.5, -0.5, 1e-308, 5e-324, 1e308, -1e308, 1e48, float("inf"), float("nan"), True, False,
]  # fmt: skip
ODD_TEXTS = [
    "", " ", "none", "null", "yes", "~", "0", "1e3", "é", "\u2028", "\u202e", "😀", "\x07", "\r\n",
    "\ufeff", "\u0130", "'", '"""', "\\", "{{ 1 }}", "{% x", "#% if", "%s", "{0}", "*a", "&a",
    "a" * 61, "a" * 1_001, "a" * 20_000, "é" * 2_500, "(" * 1_000, "rms", "layer", "t5",
    "causal", "import",
]  # fmt: skip
ODD_NAMES = [
    "..", "../x", "/etc/x", "x/y", "x\\y", "class", "match", "torch", "codegen", "generated", "é",
    "X", "_x", "x-y", "x.y", "nul", "x" * 80, "x" * 81, "x\n", "1x", "self", "config", "model",
    "__init__", "train", "tests", "a", "i", "none", "print", "true", "on", "tensor",
]  # fmt: skip
ODD_PATHS = [
    "spec.yaml", ".", "..", "/", "/dev/null", "/dev/zero", "/etc/passwd", "../outside.yaml",
    "fifo.yaml", "folder.yaml", "link_out.yaml", "link_in.yaml", "loop.yaml", "huge.yaml",
    "huge.txt", "\x00", "~/x.yaml", "gpt.yaml/", "./gpt.yaml", "a/../gpt.yaml", "x" * 5_000,
    "x/" * 500, "socket.yaml", "spec.yaml\n", "gpt.yaml", "llama.yaml", "t5_small.yaml",
    "vit_b16.yaml", "empty.yaml", "list.yaml", "$HOME", "file:///etc/passwd", "dangling.yaml",
    "http://localhost/x.yaml",
]  # fmt: skip
ATOMS = ["causal", "full", "prefix", "document", "padding", "foo", "q", "window", "q - k", "1"]
NUMBERED = ["window({})", "window({}, {})", "prefix({})", "block({})", "sink({})", "global({})"]
NUMBERED += ["dilated({})", "q - k < {}", "q // {} >= k // {}", "(q - k) % {} == 0", "h < {}"]
NUMBERED += ["q * k % {} != {}", "k * {} - q * {} < h", "q % {} // {} == k", "k != {}"]
SMALL = [0, 1, 2, 3, 5, 16, 1024, 2**48, 2**48 + 1, 10**30]
SCALES = ["d_model", "head_dim", "layers", "heads", "d_ff", "vocab_size", "foo", "0", "1e48", "2"]

Path_ = tuple["str | int", ...]


def damaged(text: bytes, random_: random.Random) -> bytes:
    """The text after one to four random edits."""
    for _ in range(random_.randint(1, 4)):
        at, end = sorted(random_.randrange(len(text) + 1) for _ in range(2))
        end = min(end, at + random_.choice((1, 1, 8, 60)))
        match random_.randrange(5):
            case 0:
                text = text[:at] + text[end:]
            case 1:
                text = text[:at] + random_.choice(WORDS) + text[at:]
            case 2:
                text = text[:at] + random_.choice(WORDS) + text[end:]
            case 3:
                text = text[:at] + bytes([random_.randrange(256)]) + text[at + 1 :]
            case _:
                text = text[:end] + text[at:end] * random_.choice((1, 1, 30)) + text[end:]
    return text


def restructured(random_: random.Random) -> bytes:
    """A spec with one to three of its parts changed, moved, doubled or taken away."""
    data = copy.deepcopy(random_.choice(_data()))
    for _ in range(random_.choice((1, 1, 1, 2, 4))):
        random_.choice(CHANGES)(data, random_)
    flow, wide = random_.choice((None, True, False)), random_.choice((80, 10**9))
    text = yaml.dump(
        data,
        Dumper=yaml.CSafeDumper,
        sort_keys=False,
        allow_unicode=random_.random() < 0.5,
        default_flow_style=flow,
        width=wide,
    )
    return text.encode("utf-8", "surrogatepass")


def mutation(random_: random.Random) -> bytes:
    """A spec with damage of either kind, now and then of both."""
    if random_.random() < 0.3:
        return damaged(random_.choice(SPECS).read_bytes(), random_)
    text = restructured(random_)
    return damaged(text, random_) if random_.random() < 0.1 else text


@functools.cache
def _data() -> list[dict[str, Any]]:
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in SPECS]


@functools.cache
def _fields() -> list[tuple[Path_, dict[str, Any]]]:
    """Every field of the language, at the places where it may stand, with its schema."""
    schema = json.loads(json_schema())

    def walk(part: dict[str, Any], path: Path_, depth: int) -> Iterator[tuple[Path_, Any]]:
        if "$ref" in part:
            part = schema["$defs"][part["$ref"].rsplit("/", 1)[1]]
        if path:
            yield path, part
        for member in (*part.get("anyOf", ()), *part.get("oneOf", ())):
            yield from walk(member, path, depth)
        for name, inner in part.get("properties", {}).items() if depth < 6 else ():
            yield from walk(inner, (*path, name), depth + 1)

    return list(walk(schema, (), 0))


def _places(data: Any, path: Path_ = ()) -> list[Path_]:
    """The path of everything below `data`, which may hold itself."""
    steps: Any = ()
    if isinstance(data, dict | list) and len(path) < 8:
        steps = data.items() if isinstance(data, dict) else enumerate(data)
    return [p for step, inner in steps for p in ((*path, step), *_places(inner, (*path, step)))]


def _get(data: Any, path: Path_) -> Any:
    for step in path:
        data = data[step]
    return data


def _put(data: Any, path: Path_, value: Any) -> None:
    """Sets a value, with mappings made on the way where there are none."""
    for step, after in itertools.pairwise(path):
        inner = data.get(step) if isinstance(data, dict) else data[step]
        if not isinstance(inner, dict if isinstance(after, str) else list):
            data[step] = inner = {}
        data = inner
    if isinstance(data, dict) or (isinstance(path[-1], int) and path[-1] < len(data)):
        data[path[-1]] = value


def _anywhere(data: Any, random_: random.Random) -> Path_:
    return random_.choice(_places(data) or [("model",)])


def _odd(random_: random.Random) -> Any:
    """A value that few fields expect."""
    match random_.randrange(6):
        case 0:
            return random_.choice(ODD_TEXTS)
        case 1:
            return random_.choice([[], {}, None, [None], {"": 1}, [[]], {"kind": None}, [{}, {}]])
        case 2:
            value: Any = 1
            for _ in range(random_.choice((3, 49, 60, 200))):
                value = [value] if random_.random() < 0.5 else {"model": value}
            return value
        case _:
            return random_.choice(ODD_NUMBERS)


def mask_text(random_: random.Random, depth: int = 0) -> str:
    """A text of the masks' grammar, or nearly."""
    match random_.randrange(8 if depth < 4 else 2):
        case 0:
            return random_.choice(ATOMS)
        case 1:
            numbers = [random_.choice(SMALL) for _ in range(2)]
            return random_.choice(NUMBERED).format(*numbers)
        case 2:
            return f"~({mask_text(random_, depth + 1)})"
        case 3:
            many = [mask_text(random_, 4) for _ in range(random_.choice((2, 5, 40, 100)))]
            return random_.choice((" & ", " | ", "&", "|~")).join(many)
        case 4:
            wide = random_.choice((3, 12, 60))
            pairs = [f"({mask_text(random_, 4)} | {mask_text(random_, 4)})" for _ in range(wide)]
            return " & ".join(pairs)
        case _:
            sign = random_.choice(("&", "|", "& ~", "| ~"))
            return f"({mask_text(random_, depth + 1)} {sign} {mask_text(random_, depth + 1)})"


def scale_text(random_: random.Random, depth: int = 0) -> str:
    """A text of the scales' grammar, or nearly."""
    match random_.randrange(6 if depth < 4 else 1):
        case 0:
            return random_.choice(SCALES)
        case 1:
            return f"sqrt({scale_text(random_, depth + 1)})"
        case 2:
            return f"-({scale_text(random_, depth + 1)})"
        case 3:
            return random_.choice(("*", "/", "+", "-")).join(
                scale_text(random_, 4) for _ in range(random_.choice((3, 50, 200)))
            )
        case _:
            sign = random_.choice("+-*/")
            return f"({scale_text(random_, depth + 1)} {sign} {scale_text(random_, depth + 1)})"


def _candidate(schema: dict[str, Any], random_: random.Random) -> Any:
    """A value that the schema of a field seems to ask for."""
    known = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    if known and random_.random() < 0.9:
        return random_.choice(known)
    kind, sane = schema.get("type"), random_.random() < 0.7
    if kind == "boolean":
        return random_.random() < 0.5
    if kind == "integer":
        return random_.choice((1, 2, 4, 8, 12, 64, 256) if sane else ODD_NUMBERS)
    if kind == "number":
        return random_.choice((0.1, 0.5, 1.0, 2.5, 8, 1e4) if sane else ODD_NUMBERS)
    if kind == "array":
        few = random_.choice((0, 1, 2, 4, 32))
        return [_candidate(schema.get("items", {}), random_) for _ in range(few)]
    if kind == "string":
        return random_.choice((mask_text(random_), scale_text(random_), random_.choice(ODD_TEXTS)))
    return {}


def _take_away(data: Any, random_: random.Random) -> None:
    path = _anywhere(data, random_)
    del _get(data, path[:-1])[path[-1]]


def _replace(data: Any, random_: random.Random) -> None:
    _put(data, _anywhere(data, random_), _odd(random_))


def _number(data: Any, random_: random.Random) -> None:
    numbers = [p for p in _places(data) if isinstance(_get(data, p), int | float)]
    if numbers:
        _put(data, random_.choice(numbers), random_.choice(ODD_NUMBERS))


def _swap(data: Any, random_: random.Random) -> None:
    one, other = _anywhere(data, random_), _anywhere(data, random_)
    if one[: len(other)] != other and other[: len(one)] != one:
        first, second = _get(data, one), _get(data, other)
        _put(data, one, second)
        _put(data, other, first)


def _move(data: Any, random_: random.Random) -> None:
    """Stands in a second place, too: written as an alias."""
    one, other = _anywhere(data, random_), _anywhere(data, random_)
    if one[: len(other)] != other and other[: len(one)] != one:
        value = _get(data, one)
        _put(data, other, value if random_.random() < 0.5 else [value] * random_.choice((2, 300)))


def _graft(data: Any, random_: random.Random) -> None:
    """Says what another spec says there."""
    other = random_.choice(_data())
    path = _anywhere(other, random_)
    if not any(isinstance(step, int) for step in path):
        _put(data, path, copy.deepcopy(_get(other, path)))


def _say(data: Any, random_: random.Random) -> None:
    """Says a field of the language that the spec may not have."""
    path, schema = random_.choice(_fields())
    if random_.random() < 0.3:  # rather in a kind of block
        blocks = (
            _get(data, ("model",)).get("blocks") if isinstance(data.get("model"), dict) else None
        )
        if isinstance(blocks, dict) and blocks and path[:1] == ("model",):
            path = ("model", "blocks", random_.choice(list(blocks)), *path[1:])
    _put(data, path, _candidate(schema, random_))


def _mask(data: Any, random_: random.Random) -> None:
    _put(data, ("model", "attention", "mask"), mask_text(random_))


def _scale(data: Any, random_: random.Random) -> None:
    part = random_.choice(("attention", "embedding", "head", "residual"))
    _put(data, ("model", part, "scale"), scale_text(random_))


def _extends(data: Any, random_: random.Random) -> None:
    data["extends"] = random_.choice(ODD_PATHS)


def _name(data: Any, random_: random.Random) -> None:
    data["name"] = random_.choice(ODD_NAMES)


def _task(data: Any, random_: random.Random) -> None:
    tasks = ("causal-lm", "masked-lm", "seq2seq-lm", "image-classification", "embedding")
    data["task"] = random_.choice(tasks)


def _many_layers(data: Any, random_: random.Random) -> None:
    """More layers, or kinds of them, than anyone has; or more than one file can hold."""
    many = random_.choice((1, 3, 40, 1_000, 9_999, 10_000, 10_001, 10**5, 2**48))
    window = random_.choice(("causal & window({})", "causal & (q * k % {} > 1)"))
    few = range(1, min(many, 300) + 1)
    kinds = {f"k{i}": {"attention": {"mask": window.format(i)}} for i in few}
    layers: Any = random_.choice(
        (many, {"pattern": list(kinds), "repeat": many}, {"pattern": list(kinds), "count": many},
         [{kind: many} for kind in kinds], list(kinds) * random_.choice((1, 50)))
    )  # fmt: skip
    if random_.random() < 0.5:
        _put(data, ("model", "blocks"), kinds)
    _put(data, ("model", "layers"), layers)


CHANGES: list[Callable[[Any, random.Random], None]] = [
    _take_away, _replace, _number, _number, _swap, _move, _graft, _graft, _say, _say, _say, _say,
    _mask, _mask, _scale, _extends, _name, _task, _many_layers,
]  # fmt: skip
