# Made from specs/bart_base.yaml; make it again: tgen build specs/bart_base.yaml
"""What generation_config.json, beside imported weights, says of sampling."""

from __future__ import annotations

import math
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
# Of no effect where nothing is drawn.
OF_DRAWING = ("temperature", "top_", "typical_p", "min_p", "epsilon_cutoff", "eta_cutoff")
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

    As in transformers, the likeliest token is taken, or the best of as many beams as there are to
    be, unless `do_sample` is true. Fields that sampling has no means for are named on stderr.
    """
    path = folder / NAME
    if not os.path.lexists(path):
        none = {"ends": (), "barred": (), "forced_first": None, "forced_last": None}
        return {**none, "early_stopping": "never"}
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
        found["tokens"] = tokens or max(1, length - 1)  # the token that begins counts there
    found["forced_first"] = take("forced_bos_token_id", None, int)
    found["forced_last"] = take("forced_eos_token_id", None, int)
    found |= of_beams(path, said, draws)
    begins = take("decoder_start_token_id", said.get("bos_token_id"), int)
    if begins is not None:
        found["separator"] = str(begins)
    if others := not_obeyed(said, draws):
        without = plain(f"{path}: sampling does without {', '.join(others)}")
        print(f"warning: {without}", file=sys.stderr)
    return found


def of_beams(path: Path, said: dict[str, Any], draws: bool) -> dict[str, Any]:
    """What the fields say of a beam search; how many beams stays in them where tokens are drawn."""
    early, penalty = said.pop("early_stopping", False), said.pop("length_penalty", 1.0)
    beams, best = said.get("num_beams", 1), said.get("num_return_sequences", 1)
    if type(early) is not bool and early != "never":
        raise ValueError(f"{path}: early_stopping is {early!r:.60}")
    if type(penalty) not in (int, float) or not math.isfinite(penalty):
        raise ValueError(f"{path}: length_penalty is {penalty!r:.60}")
    if type(beams) is not int or type(best) is not int or min(beams, best) < 1:
        raise ValueError(f"{path}: num_beams is {beams!r:.60}, num_return_sequences {best!r:.60}")
    found = {"early_stopping": early, "length_penalty": float(penalty)}
    if draws or beams == 1:
        return found
    del said["num_beams"]
    said.pop("num_return_sequences", None)
    return {**found, "beams": beams, "best": best}


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
    skipped = (*OF_SPEED, *(() if draws else OF_DRAWING))
    return [
        f"{name!r}: {value!r:.60}"
        for name, value in said.items()
        if not name.startswith(skipped) and value != WITHOUT_EFFECT.get(name, ...)
    ]
