"""Which row of the tile tables a device takes, and what one without a row does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packages import write_package

WINDOWED = {"heads": 4, "mask": "causal & window(8)"}
SPEC = {
    "name": "some_model",
    "target": {"kernels": "all"},
    "model": {"d_model": 64, "attention": WINDOWED, "mlp": {"kind": "gated"}},
}
# A GPU is feigned: what PyTorch says of it, and tensors that claim to lie on it.
FEIGNED = """
import torch
torch.cuda.is_available = lambda: True
torch.cuda.get_device_capability = lambda device=None: CAPABILITY
from generated.some_model import attention, kernels, ops

class OnGpu(torch.Tensor):
    is_cuda = True

q, k, v = torch.randn(3, 2, 4, 20, 16).unbind()
mine = [x.as_subclass(OnGpu) for x in (q, k, v)]
"""
NAMES = {(8, 0): "sm_80", (9, 0): "sm_90", (10, 3): "sm_100", (12, 1): "sm_120"}
PLAIN = """
assert not kernels.run_here(), kernels.device_name()
assert torch.equal(attention.attention(*mine, 8), attention.attention(q, k, v, 8))
seen = torch.ones(2, 1, 1, 20, dtype=torch.bool)
one = attention.cached_attention(mine[0][:, :, :1], *mine[1:], seen)
assert torch.equal(one, attention.cached_attention(q[:, :, :1], k, v, seen))
assert torch.equal(ops.swiglu(*mine[:2]), ops.swiglu(q, k))
torch.cuda.is_available = lambda: False
turned = torch.compile(lambda x: x if kernels.run_here() else -x, backend="eager", fullgraph=True)
assert torch.equal(turned(q), -q)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("devices")
    write_package(root, SPEC)
    return root


def run(folder: Path, capability: tuple[int, int], code: str) -> None:
    """The code beside the package, where PyTorch says that there is such a GPU."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    text = FEIGNED.replace("CAPABILITY", repr(capability)) + code
    command = [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.drawn
@pytest.mark.parametrize(("capability", "name"), NAMES.items())
def test_a_gpu_takes_its_own_row_or_the_last_before_it(
    folder: Path, capability: tuple[int, int], name: str
) -> None:
    code = f"assert kernels.run_here() and kernels.device_name() == {name!r}\n"
    code += "assert kernels.launch(kernels.FORWARD_TILES, q.bfloat16())\n"
    run(folder, capability, code)


@pytest.mark.drawn
@pytest.mark.parametrize("capability", [(7, 0), (7, 5)])
def test_a_gpu_older_than_all_rows_is_served_by_pytorch(
    folder: Path, capability: tuple[int, int]
) -> None:
    run(folder, capability, PLAIN)
