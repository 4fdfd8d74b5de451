"""Models whose matrices are codes write tokens with the kernels as their numbers say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packages import write_package

SPEC: dict[str, object] = {
    "name": "some_model",
    "train": {"quantize": "int4"},
    "model": {
        "vocab_size": 61,
        "context_length": 32,
        "d_model": 32,
        "layers": 1,
        "attention": {"heads": 2, "bias": True},
    },
}
CODE = """
import torch
from torch import nn
from generated.some_model import kernels, ops, quantize
from generated.some_model.model import Config, Model

calls = []
for name in ("int8_linear", "int4_linear"):
    def counted(*given, name=name, called=getattr(kernels, name)):
        calls.append(name)
        return called(*given)
    setattr(kernels, name, counted)

def put(name, module):
    parent, _, last = name.rpartition(".")
    setattr(model.get_submodule(parent), last, module)

torch.manual_seed(0)
model = Model(Config()).eval().requires_grad_(False)
for parameter in model.parameters():
    nn.init.normal_(parameter, std=0.3)
matrices = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Embedding)]
for index, (name, module) in enumerate(matrices):
    kind = ("int8", "int4")[index % 2]
    put(name, quantize.quantized(module, kind, 32, False, False))
few, many = torch.randint(61, (1, 5)), torch.randint(61, (2, 20))
for ids, taken in ((few, True), (few[:, :1], True), (many, False)):
    calls.clear()
    y = model(ids)
    assert set(calls) == ({"int8_linear", "int4_linear"} if taken else set()), calls
ops.INTERPRETED = False
calls.clear()
model(few)
assert not calls  # on a CPU

ops.INTERPRETED = True
y = model.float()(few)
for name, module in [*model.named_modules()]:
    if isinstance(module, quantize.Quantized | quantize.Int8Embedding):
        outputs, inputs = module.weight.shape
        embeds = isinstance(module, quantize.Int8Embedding)
        plain = nn.Embedding(outputs, inputs) if embeds else nn.Linear(inputs, outputs)
        plain.weight.data = module.weight.float()
        if not embeds:
            plain.bias = module.bias
        put(name, plain)
expected = model(few)
assert (y - expected).abs().max() < 1e-5 * expected.abs().max(), (y - expected).abs().max()
"""


@pytest.mark.long
def test_few_rows_go_through_the_kernels_and_compute_what_the_numbers_say(tmp_path: Path) -> None:
    write_package(tmp_path, SPEC)
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
