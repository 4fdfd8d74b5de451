"""The Triton kernels beside attention: which variants a package has, and what they compile to.

A norm with its residual addition, rotary positions (with or without a norm of queries and keys),
gated activations, and the head's loss. Each variant is what its template reads as `v`.
"""

from __future__ import annotations

from codegen.frozen import frozen
from codegen.plan.kernels.kernel import Kernel, Tile
from codegen.plan.transformer.parts import NormPlan

GLU_NAMES = {
    "silu": "swiglu",
    "gelu": "geglu",
    "gelu_tanh": "geglu_tanh",
    "relu": "reglu",
    "relu2": "squared_reglu",
}


@frozen
class NormKernel:
    """A residual stream's addition and the RMSNorm of the sum."""

    weight: bool

    @property
    def name(self) -> str:
        """Of the function that model.py calls."""
        return "add_rms_norm" if self.weight else "add_plain_rms_norm"


@frozen
class RopeKernel:
    """Rotary positions of queries and keys, which an RMSNorm may go before."""

    qk_norm: NormPlan | None = None

    @property
    def name(self) -> str:
        """Of the function that model.py calls."""
        if self.qk_norm is None:
            return "rope_qk"
        return "norm_rope_qk" if self.qk_norm.weight else "plain_norm_rope_qk"


@frozen
class GluKernel:
    """A gated linear unit's activation and product."""

    activation: str

    @property
    def name(self) -> str:
        """Of the function that model.py calls."""
        return GLU_NAMES[self.activation]


@frozen
class LossKernel:
    """The head and its loss, where `F.linear_cross_entropy` lacks something that it needs.

    `budget` is how many bytes a chunk's logits may have, were they float32; `chunk` is how many
    tokens the plain form takes at one time. `log_probs` adds `token_log_probs`.
    """

    bias: bool
    softcap: bool
    z_loss: bool
    log_probs: bool
    budget: int
    chunk: int


Signature = tuple[tuple[str, str], ...]
Constants = tuple[tuple[str, int | float | bool], ...]

GLU_BLOCK = 1024  # as in the package's kernels.py
LOSS_BLOCK = 4096


def norm_kernels(v: NormKernel, d_model: int, dtype: str = "bf16") -> tuple[Kernel, ...]:
    """Forward and backward for rows of d_model numbers of one type."""
    block = (("BLOCK", next_power_of_2(d_model)),)
    narrow, weight = f"*{dtype}", (("weight", f"*{dtype}"),) if v.weight else ()
    forward = (
        *_all(narrow, "branch", "x"),
        *weight,
        *_all(narrow, "normed", "total"),
        ("rstd", "*fp32"),
        *_all("i32", "branch_stride", "x_stride", "width"),
        ("eps", "fp32"),
    )
    backward = (
        *_all(narrow, "grad_normed", "grad_total", "total"),
        *weight,
        ("rstd", "*fp32"),
        ("grad_x", narrow),
        *((("grad_weights", "*fp32"),) if v.weight else ()),
        *_all("i32", "rows", "width"),
    )
    return (
        _kernel(f"{v.name}_kernel", "norm_forward", forward, block, d_model),
        _kernel(f"{v.name}_backward_kernel", "norm_backward", backward, block, d_model),
    )


def rope_kernels(
    v: RopeKernel, heads: int, kv_heads: int, head_dim: int, dtype: str = "bf16"
) -> tuple[Kernel, ...]:
    """Forward, which is the backward too, or both where a norm goes before."""
    narrow = f"*{dtype}"
    weighted = v.qk_norm is not None and v.qk_norm.weight
    weights = _all(narrow, "q_weight", "k_weight") if weighted else ()
    block, block_heads = head_blocks(head_dim, heads)
    constants: Constants = (
        ("HEADS", heads),
        ("KV_HEADS", kv_heads),
        ("HALF", head_dim // 2),
        ("BLOCK", block),
        ("BLOCK_HEADS", block_heads),
    )
    strides = _all("i32", "q_stride", "q_head_stride", "k_stride", "k_head_stride")
    forward = (
        *_all(narrow, "q", "k", "q_out", "k_out"),
        *weights,
        *_all("*fp32", "cos", "sin"),
        *strides,
        ("positions", "i32"),
        ("sign" if v.qk_norm is None else "eps", "fp32"),
    )
    done = _kernel(f"{v.name}_kernel", "rope_forward", forward, constants, head_dim)
    if v.qk_norm is None:
        return (done,)
    backward = (
        *_all(narrow, "grad_q", "grad_k", "q", "k", "q_out", "k_out"),
        *weights,
        *((("shares", "*fp32"),) if weighted else ()),
        *_all("*fp32", "cos", "sin"),
        *((f"grad_{name}", kind) for name, kind in strides),
        *strides,
        *_all("i32", "tokens", "positions"),
        ("eps", "fp32"),
    )
    name = f"{v.name}_backward_kernel"
    return (done, _kernel(name, "rope_backward", backward, constants, head_dim))


def glu_kernels(v: GluKernel, d_ff: int, dtype: str = "bf16") -> tuple[Kernel, ...]:
    """Forward and backward for rows of d_ff numbers."""
    narrow, block = f"*{dtype}", (("BLOCK", GLU_BLOCK),)
    sizes = _all("i32", "gate_stride", "up_stride", "width")
    forward = (*_all(narrow, "gate", "up", "h"), *sizes)
    backward = (*_all(narrow, "grad_h", "gate", "up", "grad_gate", "grad_up"), *sizes)
    return (
        _kernel(f"{v.name}_kernel", "glu_forward", forward, block, d_ff),
        _kernel(f"{v.name}_backward_kernel", "glu_backward", backward, block, d_ff),
    )


def loss_kernels(v: LossKernel, vocab: int, dtype: str = "bf16") -> tuple[Kernel, ...]:
    """The losses alone, and with the logits' gradient."""
    signature = (
        ("logits", f"*{dtype}"),
        ("targets", "*i64"),
        *_all("*fp32", "losses", "grad_losses"),
        *_all("i32", "stride", "vocab"),
        *((("softcap", "fp32"),) if v.softcap else ()),
        *((("z_loss", "fp32"),) if v.z_loss else ()),
    )
    block = min(LOSS_BLOCK, next_power_of_2(vocab))
    return tuple(
        _kernel(
            "cross_entropy_kernel",
            kind,
            signature,
            (("BLOCK", block), ("GRADIENT", gradient)),
            vocab,
        )
        for kind, gradient in (("loss_forward", False), ("loss_gradient", True))
    )


def row_tile(kernel: Kernel) -> Tile:
    """How the package's kernels.py launches one of these; their sizes are constants."""
    if kernel.kind.startswith("norm"):
        return Tile((), stages=3, warps=row_warps(dict(kernel.constants)["BLOCK"]))
    return Tile((), stages=3, warps=8 if kernel.kind.startswith("loss") else 4)


def next_power_of_2(n: int) -> int:
    """The smallest power of two that is at least n."""
    return 1 << (n - 1).bit_length()


def head_blocks(head_dim: int, heads: int) -> tuple[int, int]:
    """BLOCK and BLOCK_HEADS of the rotary kernels, as the package's kernels.py has them."""
    block = next_power_of_2(head_dim // 2)
    return block, min(next_power_of_2(heads), max(1, 1024 // block))


def row_warps(block: float) -> int:
    """Warps of the norms' kernels, as the package's kernels.py has them."""
    return min(max(int(block) // 512, 4), 16)


def _all(kind: str, *names: str) -> Signature:
    return tuple((name, kind) for name in names)


def _kernel(name: str, kind: str, arguments: Signature, constants: Constants, width: int) -> Kernel:
    """A launch finds pointers and the logits' padded rows aligned; the rest as rows of `width`."""
    signature = (*arguments, *((constant, "constexpr") for constant, _ in constants))
    sizes = [argument for argument, type_ in arguments if type_ == "i32"]
    unknown = {"rows", "tokens", "positions"} if width % 16 == 0 else {*sizes} - {"stride"}
    aligned = tuple(
        argument
        for argument, type_ in arguments
        if type_.startswith("*") or (argument in sizes and argument not in unknown)
    )
    return Kernel(name, kind, signature, constants, aligned, dots=False)
