"""Kernels with a window serve layers without one: they give what plain PyTorch gives there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.packages import write_package

SPEC = {
    "name": "some_model",
    "task": "masked-lm",
    "model": {
        "d_model": 64,
        "attention": {"heads": 4},
        "blocks": {
            "near": {"attention": {"mask": "window(5, 3) & padding"}},
            "far": {"attention": {"mask": "padding"}},
        },
        "layers": ["near", "far"],
    },
}
CODE = """
import torch
from generated.some_model import attention

q, k, v, grad = torch.randn(4, 3, 2, 40, 16).unbind()
inputs = attention.MaskInputs(torch.tensor([40, 7, 0]))
for attend, window in ((attention.near_attention, (5, 3)), (attention.far_attention, ())):
    found = []
    for attention.INTERPRETED in (True, False):
        given = [x.clone().requires_grad_() for x in (q, k, v)]
        y = attend(*given, *window, inputs)
        found.append((y, *torch.autograd.grad(y, given, grad)))
    for ours, plain in zip(*found, strict=True):
        assert torch.allclose(ours, plain, atol=1e-5), (ours - plain).abs().max()
"""


def test_a_layer_without_a_window_attends_to_all_with_the_kernels_of_one(tmp_path: Path) -> None:
    text = (write_package(tmp_path, SPEC) / "kernels.py").read_text()
    assert text.count("def attention_forward(") == 1 and "def far_attention" not in text
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
