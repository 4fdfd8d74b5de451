"""Compiles the kernels beside attention for a GPU that need not be there.

`python compile_row_kernels.py FOLDER` prints, as JSON, the TTIR's products of 32-bit numbers that
are known only at run time, by kernel: a row's offset must not be among them.
"""

from __future__ import annotations

import importlib
import json
import re
import sys

from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from codegen.plan.kernels import row_kernels
from codegen.plan.kernels.kernel import Kernel
from codegen.plan.kernels.row_kernels import (
    GluKernel,
    LossKernel,
    NormKernel,
    RopeKernel,
    glu_kernels,
    loss_kernels,
    norm_kernels,
    rope_kernels,
    row_tile,
)
from codegen.plan.transformer.parts import NormPlan

NORM = NormPlan("rms", True, False, "d", "eps")
KERNELS = (
    *norm_kernels(NormKernel(weight=True), d_model=4096),
    *rope_kernels(RopeKernel(), heads=32, kv_heads=8, head_dim=96),
    *rope_kernels(RopeKernel(NORM), heads=32, kv_heads=8, head_dim=128),
    *glu_kernels(GluKernel("silu"), d_ff=14336),
    *loss_kernels(LossKernel(True, True, True, False, 2**29, 512), vocab=128256)[1:],
)
PRODUCT = re.compile(r"arith\.muli (%\S+), (%\S+) : (?:tensor<\S+xi32>|i32)")


def ttir(kernel: Kernel, target: GPUTarget) -> str:
    function = getattr(importlib.import_module("full.kernels"), kernel.name)
    names = [name for name, _ in kernel.signature]
    assert names == function.arg_names, f"{kernel.name} takes {function.arg_names}"
    attrs = {(names.index(name),): [["tt.divisibility", 16]] for name in kernel.aligned}
    source = ASTSource(function, dict(kernel.signature), dict(kernel.constants), attrs)
    tile = row_tile(kernel)
    options = {"num_warps": tile.warps, "num_stages": tile.stages}
    return str(compile(source, target=target, options=options).asm["ttir"])


def check_sizes() -> None:
    """Block sizes are computed in two places, since a package can't import the plan."""
    package = importlib.import_module("full.kernels")
    for n in (1, 2, 3, 64, 80, 96, 128, 4096, 5120):
        assert package.head_blocks(2 * n, 12) == row_kernels.head_blocks(2 * n, 12)
        assert package.row_warps(n) == row_kernels.row_warps(n)
    assert package.GLU_BLOCK == row_kernels.GLU_BLOCK


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    check_sizes()
    found = {}
    for kernel in KERNELS:
        text = ttir(kernel, GPUTarget("cuda", 80, 32))
        assert "arith.muli" in text, f"no products in {kernel.name}"
        products = [match.groups() for match in PRODUCT.finditer(text)]
        found[kernel.name] = [pair for pair in products if not any(x[:2] == "%c" for x in pair)]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
