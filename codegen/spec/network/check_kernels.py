"""What a network of plain layers has no use for."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.spec.mistake import Mistake
from codegen.spec.network.vocabulary import NetworkSpec


def check_kernels(spec: NetworkSpec) -> Iterator[Mistake]:
    """PyTorch has all that plain layers do, so none of them has a kernel of ours."""
    if spec.target.kernels == "all":
        message = "plain layers are PyTorch's own: there are no kernels for them"
        yield Mistake(("target", "kernels"), message, "drop it")
