"""How fast a package makes tokens beside transformers and litgpt: the same Llama in all three.

    python -m benchmarks.sampling_speed

Greedy decoding after a prompt of 32 tokens, one thread, the sides by turns in one process. litgpt
makes one text at a time; its column is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.tables import machine, markdown_table, replace_section

PROMPT, VOCABULARY = 32, 2048
SIZES = {"d_model": 512, "layers": 6, "heads": 8, "kv_heads": 2, "head_dim": 64, "d_ff": 1536}

Side = Callable[[torch.Tensor, int], list[list[int]]]


def ours() -> tuple[Any, Side]:
    from generated.llama.generate import LIKELIEST, generate
    from generated.llama.model import Config, Model

    model = Model(Config(vocab_size=VOCABULARY, context_length=2048, **SIZES)).eval()
    torch.manual_seed(0)
    model.init_weights()

    def run(prompts: torch.Tensor, tokens: int) -> list[list[int]]:
        return generate(model, prompts.tolist(), tokens, LIKELIEST)

    return model, run


def transformers_side(weights: dict[str, torch.Tensor], config: Any) -> Side:
    from transformers import LlamaConfig, LlamaForCausalLM

    about = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=SIZES["d_model"],
        intermediate_size=SIZES["d_ff"],
        num_hidden_layers=SIZES["layers"],
        num_attention_heads=SIZES["heads"],
        num_key_value_heads=SIZES["kv_heads"],
        head_dim=SIZES["head_dim"],
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        rms_norm_eps=config.norm_eps,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": config.rope_theta,
            "factor": config.rope_factor,
            "low_freq_factor": config.rope_low_freq_factor,
            "high_freq_factor": config.rope_high_freq_factor,
            "original_max_position_embeddings": config.rope_original_context_length,
        },
    )
    model: Any = LlamaForCausalLM(about)
    model.eval()
    model.load_state_dict(weights)

    def run(prompts: torch.Tensor, tokens: int) -> list[list[int]]:
        made = model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=tokens,
            do_sample=False,
        )
        rows: list[list[int]] = made.tolist()
        return rows

    return run


def litgpt_side(weights: dict[str, torch.Tensor], config: Any) -> Side | None:
    try:
        from litgpt import GPT, Config
        from litgpt.generate.base import generate
        from litgpt.scripts.convert_hf_checkpoint import copy_weights_hf_llama
    except ImportError:
        return None
    about = Config(
        block_size=2048,
        vocab_size=VOCABULARY,
        padded_vocab_size=VOCABULARY,
        n_layer=SIZES["layers"],
        n_head=SIZES["heads"],
        n_query_groups=SIZES["kv_heads"],
        n_embd=SIZES["d_model"],
        head_size=SIZES["head_dim"],
        intermediate_size=SIZES["d_ff"],
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        mlp_class_name="LLaMAMLP",
        norm_eps=config.norm_eps,
        rope_base=int(config.rope_theta),
        rope_adjustments={
            "factor": config.rope_factor,
            "low_freq_factor": config.rope_low_freq_factor,
            "high_freq_factor": config.rope_high_freq_factor,
            "original_max_seq_len": config.rope_original_context_length,
        },
    )
    model = GPT(about).eval()
    theirs: dict[str, torch.Tensor] = {}
    copy_weights_hf_llama(about, {}, theirs, dict(weights))
    model.load_state_dict(theirs)

    def run(prompts: torch.Tensor, tokens: int) -> list[list[int]]:
        rows = []
        for prompt in prompts:
            length = len(prompt) + tokens
            model.set_kv_cache(batch_size=1, max_seq_length=length)
            made = generate(model, prompt, length, temperature=0.0)
            rows.append([int(token) for token in made])
        return rows

    return run


def measure(sides: dict[str, Side], batch: int, tokens: int, times: int) -> dict[str, float]:
    """Tokens a second of each, by the median of its turns; all make the same tokens."""
    torch.manual_seed(1)
    prompts = torch.randint(1, VOCABULARY, (batch, PROMPT))
    took: dict[str, list[float]] = {name: [] for name in sides}
    with torch.inference_mode():
        texts = {name: run(prompts, tokens) for name, run in sides.items()}
        wanted = next(iter(texts.values()))
        for name, rows in texts.items():
            same = sum(
                a == b for x, y in zip(rows, wanted, strict=True) for a, b in zip(x, y, strict=True)
            )
            assert same / (batch * (PROMPT + tokens)) > 0.99, f"{name} makes other tokens"
        for _ in range(times):
            for name, run in sides.items():
                began = time.thread_time()
                run(prompts, tokens)
                took[name].append(time.thread_time() - began)
    return {name: batch * tokens / statistics.median(each) for name, each in took.items()}


class Silent:
    """A tokenizer that tells nothing: what texts cost is not measured here."""

    vocab_size = VOCABULARY

    def encode(self, text: str, special: bool = False) -> list[int]:
        return []

    def decode(self, ids: list[int]) -> str:
        return ""

    def save(self, path: Path) -> None:
        pass


def served(model: Any, count: int, tokens: int) -> float:
    """Tokens per CPU second of a server with so many slots, all of which are asked for."""
    from generated.llama.detokenize import Detokenizer
    from generated.llama.generate import LIKELIEST
    from generated.llama.slots import Request, Slots

    slots = Slots(model, count, PROMPT + tokens, count)
    prompts = torch.randint(1, VOCABULARY, (count, PROMPT)).tolist()
    requests = [
        Request(prompt, tokens, LIKELIEST, Detokenizer(Silent(), prompt, (), ()), seed=0)
        for prompt in prompts
    ]
    for request in requests:
        slots.ask(request)
    slots.close()
    began = time.process_time()
    slots.run()
    return count * tokens / (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--write", action="store_true", help="into benchmarks/README.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, run = ours()
    from generated.llama.weights import save_huggingface

    weights = save_huggingface(model)
    sides: dict[str, Side] = {"tgen": run, "transformers": transformers_side(weights, model.config)}
    if other := litgpt_side(weights, model.config):
        sides["litgpt"] = other
    rows = []
    for batch in (1, 8):
        found = measure(sides, batch, options.tokens, options.times)
        rows.append([str(batch), *(f"{speed:,.0f}" for speed in found.values())])
        rows[-1] += [
            f"{found['tgen'] / speed:.2f}" for name, speed in found.items() if name != "tgen"
        ]
    names = [name for name in sides if name != "tgen"]
    header = [
        "batch",
        *(f"{name}, tokens/s" for name in sides),
        *(f"tgen / {name}" for name in names),
    ]
    several = [served(model, 8, options.tokens) for _ in range(options.times)]
    single = [served(model, 1, options.tokens) for _ in range(options.times)]
    gain = statistics.median(several) / statistics.median(single)
    note = (
        f"A server with 8 slots makes {statistics.median(several):,.0f} tokens per CPU second, one "
        f"with a single slot {statistics.median(single):,.0f}: {gain:.1f} times as many."
    )
    text = f"Tokens per CPU second ({machine()}).\n\n{markdown_table(header, rows)}\n\n{note}"
    print(text)
    if options.write:
        replace_section("sampling_speed", text)


if __name__ == "__main__":
    main()
