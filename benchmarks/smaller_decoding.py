"""How fast models of few bits decode, and the memory they take, beside floats and torchao.

    python -m benchmarks.smaller_decoding --write

Llama's shapes of 124 M and 1.24 B parameters, random weights, a single text, one thread; the sides
by turns in one process, and each once more in a process of its own for its memory. torchao's
column is left out where it is not installed.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from benchmarks.tables import machine, markdown_table, replace_section
from tests.packages import import_package

SHAPES: dict[str, dict[str, Any]] = {
    "124 M": {
        "vocab_size": 32000,
        "context_length": 2048,
        "d_model": 768,
        "layers": 12,
        "attention": {"heads": 12, "kv_heads": 4, "head_dim": 64, "rope": {"theta": 500000.0}},
        "mlp": {"d_ff": 2816},
        "embedding": {"tied": True},
    },
    "1.24 B": {
        "vocab_size": 128256,
        "context_length": 2048,
        "d_model": 2048,
        "layers": 16,
        "attention": {"heads": 32, "kv_heads": 8, "head_dim": 64, "rope": {"theta": 500000.0}},
        "mlp": {"d_ff": 8192},
        "embedding": {"tied": True},
    },
}
ROUNDS, TOKENS = 5, 8
Decode = Callable[[int], float]  # so many tokens; median CPU seconds of one


def spec_of(shape: str) -> dict[str, object]:
    return {"name": "small", "model": SHAPES[shape], "train": {"quantize": "int8"}}


def floats(module: ModuleType) -> Any:
    with torch.device("meta"):
        model = module.Model(module.Config())
    model = model.to_empty(device="cpu")
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.02) if parameter.ndim > 1 else parameter.fill_(1.0)
    return model.eval()


def side(name: str, module: ModuleType, quantize: ModuleType) -> tuple[Any, Any]:
    """A model of one side, in its own types, and a cache for it."""
    model = floats(module)
    length = 8 + ROUNDS * TOKENS
    if name == "bfloat16":
        model.bfloat16()
    elif name.startswith("torchao"):
        cache = model.bfloat16().new_cache(1, length)  # its tensors make no others
        return by_torchao(name, model), cache
    else:
        quantize.pack(of_bits(name, model, quantize).float())
    return model, model.new_cache(1, length)


def of_bits(name: str, model: Any, quantize: ModuleType) -> Any:
    """A model with its matrices as a side has them."""
    kind, dynamic = name[:4], name.endswith("dynamic")
    for place, one in [*quantize.matrices(model)] if kind in quantize.KINDS else []:
        model.set_submodule(place, quantize.quantized(one, kind, 32, False, dynamic))
    return model


def by_torchao(name: str, model: Any) -> Any:
    """As its README has it for CPUs: weights of eight bits under bfloat16, compiled."""
    torchao: Any = importlib.import_module("torchao.quantization")

    torchao.quantize_(model, torchao.Int8WeightOnlyConfig())
    if name.endswith("compiled"):
        for block in model.blocks:
            block.compile()
    return model


@torch.inference_mode()
def decoder(model: Any, cache: Any) -> Decode:
    token = model.prefill(torch.zeros(1, 4, dtype=torch.int64), cache).argmax(-1)

    @torch.inference_mode()
    def decode(count: int) -> float:
        nonlocal token
        times = []
        for _ in range(count):
            began = time.thread_time()
            token = model.decode(token, cache).argmax(-1)
            times.append(time.thread_time() - began)
        return statistics.median(times)

    decode(2)
    return decode


def peak(shape: str, name: str) -> float:
    """GB that a process takes at its peak that reads a checkpoint and decodes, beyond PyTorch."""
    code = f"from benchmarks.smaller_decoding import alone; alone({shape!r}, {name!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def status(field: str) -> float:
    """GB of a line of what the system knows of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e9 for line in lines if line.startswith(field))


def alone(shape: str, name: str) -> None:
    """Prints the peak of this process; the checkpoint is written by another one."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if not os.fork():
            write(shape, name, folder)
            os._exit(0)
        if os.wait()[1]:
            raise RuntimeError(f"no checkpoint of {name} was written")
        (loading,) = import_package(folder / "read", spec_of(shape), "load")
        before = status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins now
        model = loading.load(folder / "checkpoint.safetensors", "cpu")
        if name == "bfloat16":
            model.bfloat16()
        decoder(model, model.new_cache(1, 8 + ROUNDS * TOKENS))(TOKENS)
        print(status("VmHWM") - before)


def write(shape: str, name: str, folder: Path) -> None:
    """A checkpoint as compress.py writes them."""
    module, quantize, checkpoint = import_package(
        folder / "written", spec_of(shape), "model", "quantize", "checkpoint"
    )
    model = of_bits(name, floats(module), quantize)
    tensors = {f"model.{key}": value for key, value in checkpoint.weights(model).items()}
    config = {"config": asdict(model.config)}
    checkpoint.write_checkpoint(folder / "checkpoint.safetensors", tensors, config)


def measured(shape: str, names: list[str]) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as made:
        module, quantize = import_package(Path(made), spec_of(shape), "model", "quantize")
        sides = {}
        for name in names:
            sides[name] = decoder(*side(name, module, quantize))
            gc.collect()
        times: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(ROUNDS):
            for name, decode in sides.items():
                times[name].append(decode(TOKENS))
    del sides
    gc.collect()
    base = statistics.median(times["float32"])
    peaks = {name: peak(shape, name) for name in names if "torchao" not in name}
    return [
        [
            shape,
            name,
            f"{1e3 * statistics.median(times[name]):.1f}",
            f"{base / statistics.median(times[name]):.2f}",
            *(
                (f"{peaks[name]:.2f}", f"{peaks[name] / peaks['float32']:.2f}")
                if name in peaks
                else ("", "")
            ),
        ]
        for name in names
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into benchmarks/README.md")
    parser.add_argument("--only", default="", help="shapes whose names contain this")
    given = parser.parse_args()
    torch.set_num_threads(1)
    names = ["float32", "bfloat16", "int8", "int8 dynamic", "int4"]
    if find_spec("torchao"):
        names += ["torchao int8", "torchao int8, compiled"]
    rows = [row for shape in SHAPES if given.only in shape for row in measured(shape, names)]
    header = ["parameters", "weights", "CPU ms a token", "times float32", "peak GB", "of float32"]
    text = f"Medians of {ROUNDS}; {machine()}.\n\n" + markdown_table(header, rows, text=2)
    print(text)
    if given.write:
        replace_section("smaller_decoding", text)


if __name__ == "__main__":
    main()
