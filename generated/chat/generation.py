# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""What generation_config.json, beside imported weights, says of sampling."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .checkpoint import read_json
from .process import plain

NAME = "generation_config.json"
WITHOUT_EFFECT = {  # fields that change nothing if they say this
    "num_beams": 1,
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "diversity_penalty": 0,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1,
    "min_length": 0,
    "min_new_tokens": 0,
    "typical_p": 1,
    "epsilon_cutoff": 0,
    "eta_cutoff": 0,
    "guidance_scale": 1,
    "remove_invalid_values": False,
    "renormalize_logits": False,
    "token_healing": False,
    "begin_suppress_tokens": [],
}
# Of no effect where the likeliest token is taken, or where there are no beams.
OF_DRAWING = ("temperature", "top_", "typical_p", "min_p", "epsilon_cutoff", "eta_cutoff")
OF_BEAMS = ("early_stopping", "length_penalty")
OF_SPEED = (  # beginnings of fields that leave the tokens what they are
    *("bos_token_id", "pad_token_id", "use_", "cache_", "max_cache_len", "low_memory", "output_"),
    *("return_dict", "transformers_version", "assistant_", "num_assistant_", "is_assistant"),
    *("target_lookbehind", "prompt_lookup_", "max_matching_", "speculation_", "compile_config"),
    *("disable_compile", "prefill_chunk_", "continuous_batching_"),
)


LIKELIEST: dict[str, Any] = {"temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}


def of_draws(take: Callable[..., Any]) -> dict[str, Any]:
    """How tokens are drawn, by default as in transformers."""
    defaults = (("temperature", 1.0), ("top_p", 1.0), ("min_p", 0.0))
    found = {name: float(take(name, default, float, int)) for name, default in defaults}
    return {**found, "top_k": take("top_k", 50, int)}


def read_generation(folder: Path) -> dict[str, Any]:
    """The options of sampling that the file gives other defaults, and what has no option.

    As in transformers, the likeliest token is taken unless `do_sample` is true. Fields that
    sampling has no means for are named on stderr.
    """
    path = folder / NAME
    if not os.path.lexists(path):
        return {"ends": (), "barred": (), "max_length": None}
    said = read_fields(path)

    def take(name: str, default: Any, *kinds: type, least: float = 0) -> Any:
        value = said.pop(name, default)
        if value is not default and (type(value) not in kinds or not value >= least):
            raise ValueError(f"{path}: {name} is {value!r:.60}")
        return value

    draws = take("do_sample", False, bool)
    found = of_draws(take) if draws else {**LIKELIEST}
    found["repetition_penalty"] = float(take("repetition_penalty", 1.0, float, int, least=1e-6))
    found["ends"] = token_ids(path, "eos_token_id", said)
    found["barred"] = barred_tokens(path, said, found["ends"])
    tokens, length = take("max_new_tokens", None, int), take("max_length", None, int)
    if tokens or length:
        found["tokens"] = tokens
    found["max_length"] = None if tokens else length
    said.pop("decoder_start_token_id", None)  # of encoder-decoders
    if others := not_obeyed(said, draws):
        without = plain(f"{path}: sampling does without {', '.join(others)}")
        print(f"warning: {without}", file=sys.stderr)
    return found


def read_fields(path: Path) -> dict[str, Any]:
    """The fields of the file that say something."""
    said = read_json(path)
    if not isinstance(said, dict):
        raise ValueError(f"{path} is no mapping of fields")
    return {
        name: value
        for name, value in said.items()
        if value is not None and not name.startswith("_")
    }


def token_ids(path: Path, name: str, said: dict[str, Any]) -> tuple[int, ...]:
    """One token or several, taken out of the fields."""
    value = said.pop(name, [])
    ids = value if isinstance(value, list) else [value]
    if any(type(token) is not int or abs(token) >= 2**31 for token in ids):
        raise ValueError(f"{path}: {name} is {value!r:.60}, not one token's number or several")
    return tuple(ids)


def barred_tokens(path: Path, said: dict[str, Any], ends: tuple[int, ...]) -> tuple[int, ...]:
    """Tokens that are never made; words of several stay in the fields."""
    words = said.get("bad_words_ids", [])
    alone = isinstance(words, list) and all(
        isinstance(word, list) and len(word) == 1 for word in words
    )
    barred = token_ids(path, "suppress_tokens", said)
    if alone:
        said["bad_words_ids"] = [word[0] for word in words]
        bad = token_ids(path, "bad_words_ids", said)
        barred += tuple(token for token in bad if token not in ends)
    return tuple(token for token in barred if token >= 0)


def not_obeyed(said: dict[str, Any], draws: bool) -> list[str]:
    """The fields that change what transformers makes of a prompt, and for which nothing is here."""
    beams = said.get("num_beams", 1) != 1
    skipped = (*OF_SPEED, *(() if draws else OF_DRAWING), *(() if beams else OF_BEAMS))
    return [
        f"{name!r}: {value!r:.60}"
        for name, value in said.items()
        if not name.startswith(skipped) and value != WITHOUT_EFFECT.get(name, ...)
    ]
