"""What samples need of a checkpoint's folder beside its weights, kept beside ours.

tokenizer.json says how text becomes tokens and what is added to one, generation_config.json how
tokens are chosen and where a text ends, and a template how a chat becomes a text.
"""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from codegen.importers.config import Config

TOKENIZER, GENERATION = "tokenizer.json", "generation_config.json"
CHAT = ("chat_template.jinja", "tokenizer_config.json")
OF_TYPES = Path(__file__).with_name("generation.yaml")
INNER = ("decoder", "generator", "text_config")  # of a config, the one of the part that writes
FIELDS = (  # of generation_config.json, which older folders have in config.json
    *("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id"),
    *("forced_bos_token_id", "forced_eos_token_id", "suppress_tokens", "begin_suppress_tokens"),
    *("do_sample", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty"),
    *("max_length", "min_length", "num_beams", "num_return_sequences"),
    *("length_penalty", "early_stopping"),
    *("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids"),
)


def keep_companions(source: Path, config: Config, to: Path, *, writes: bool) -> None:
    """Copies tokenizer.json to a folder; of a model that writes text, generation_config.json, too.

    A folder without the second gets what its config.json says, as transformers reads it. Such a
    model may chat: then the tokenizer's own files say how a chat becomes a text.
    """
    for name in (TOKENIZER, *(CHAT if writes else ())):
        if (source / name).is_file():
            shutil.copyfile(source / name, to / name)
    if not writes:
        return
    if (source / GENERATION).is_file():
        shutil.copyfile(source / GENERATION, to / GENERATION)
    else:
        said = {"_from_model_config": True, **generation_of(config.fields)}
        (to / GENERATION).write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def generation_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a config.json says of sampling, and its type where it says nothing."""
    said = dict(_of_types().get(str(config.get("model_type")), {}))
    inner: dict[str, Any] = next(
        (config[name] for name in INNER if isinstance(config.get(name), dict)), {}
    )
    for name in FIELDS:
        for fields in (inner, config):  # the outer one wins, if it says anything
            if name in fields and (fields[name] is not None or name not in inner):
                said[name] = fields[name]
    return {name: value for name, value in said.items() if value is not None}


@functools.cache
def _of_types() -> dict[str, dict[str, Any]]:
    rows = yaml.safe_load(OF_TYPES.read_text(encoding="utf-8"))
    return {model_type: row["say"] for row in rows for model_type in row["of"]}
