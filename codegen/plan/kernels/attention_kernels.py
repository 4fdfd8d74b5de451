"""The kernels of an attention variant, as they are compiled ahead of time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from codegen.frozen import frozen
from codegen.plan.kernels.attention_variant import AttentionVariant
from codegen.plan.kernels.kernel import Kernel

NOTHING: Mapping[str, int] = MappingProxyType({})


def attention_kernels(
    v: AttentionVariant,
    numbers: Mapping[str, int],
    head_dim: int,
    group: int = 1,
    dtype: str = "bf16",
    dropout: float = 0.1,
    buckets: int = 32,
) -> tuple[Kernel, ...]:
    """The kernels that a variant launches. A tile's sizes take the place of `constants` they name.

    `group` is how many query heads share a key head, `dropout` the rate in training. dK and dV
    come from one launch of kind `attention_dkdv`, or, where that fits no device, from two:
    `attention_dk` and `attention_dv`.
    """
    make = _Maker(v, numbers, head_dim, group, dtype, dropout, buckets)
    decode = make.decode() if v.decodes else ()
    if v.collapsed:
        return (make.block_forward(), make.block_backward(), *decode)
    both = make.dkdv("attention_dkdv", dk=True, dv=True)
    apart = (
        make.dkdv("attention_dk", dk=True, dv=False),
        make.dkdv("attention_dv", dk=False, dv=True),
    )
    return (make.forward(), make.delta(), both, *apart, make.dq(), *decode)


Arguments = list[tuple[str, str]]


@frozen
class _Maker:
    v: AttentionVariant
    numbers: Mapping[str, int]
    head_dim: int
    group: int
    dtype: str
    dropout: float
    buckets: int

    def forward(self) -> Kernel:
        arguments = [
            *self._tensors("query", "key", "value"),
            self._out(),
            ("lse", "*fp32"),
            *self._inputs(self.v.key_inputs),
            *self._score_tensors(),
            *([("sinks", "*fp32")] if self.v.sinks else []),
            *self._strides("query", "key", "value"),
            *self._scalars(),
        ]
        return self._kernel("attention_forward", arguments, sizes={"ONE_LOOP": False})

    def delta(self) -> Kernel:
        arguments = [
            self._out(),
            *self._tensors("grad_out"),
            ("delta", "*fp32"),
            ("time", "i32"),
        ]
        return self._kernel("attention_delta", arguments, shared=True, dots=False)

    def dkdv(self, kind: str, dk: bool, dv: bool) -> Kernel:
        arguments = [
            *self._tensors("query", "key", "value", "grad_out", "grad_key", "grad_value"),
            ("lse", "*fp32"),
            ("delta", "*fp32"),
            *self._inputs(self.v.query_inputs),
            *self._score_tensors(),
            *self._strides("query", "key", "value"),
            *self._scalars(),
        ]
        sizes = {"ONE_LOOP": False, "WANT_DK": dk, "WANT_DV": dv}
        return self._kernel(kind, arguments, function="attention_dkdv", sizes=sizes)

    def dq(self) -> Kernel:
        biased = self.v.relative_bias
        arguments = [
            *self._tensors("query", "key", "value", "grad_out", "grad_query"),
            ("lse", "*fp32"),
            ("delta", "*fp32"),
            *self._inputs(self.v.key_inputs),
            *self._score_tensors(),
            *([("buckets", "*i32"), ("grad_bias", "*fp32")] if biased else []),
            *self._strides("query", "key", "value"),
            *self._scalars(),
        ]
        more = {"BUCKETS": self.buckets} if biased else {}
        return self._kernel("attention_dq", arguments, sizes={"ONE_LOOP": False, **more})

    def block_forward(self) -> Kernel:
        arguments = [
            *self._tensors("query", "key", "value", "out"),
            *self._score_tensors(),
            *self._strides("query", "key", "value"),
            *self._scalars(),
        ]
        return self._kernel("block_attention_forward", arguments)

    def block_backward(self) -> Kernel:
        names = ("query", "key", "value", "grad_out", "grad_query", "grad_key", "grad_value")
        arguments = [
            *self._tensors(*names),
            *self._score_tensors(),
            *self._strides("query", "key", "value"),
            *self._scalars(),
        ]
        return self._kernel("block_attention_backward", arguments)

    def decode(self) -> tuple[Kernel, Kernel]:
        v = self.v
        attend = [
            *self._tensors("query", "key", "value"),
            ("visible", "*i8"),
            *([("held", "*i32"), ("positions", "*i32")] if v.alibi or v.relative_bias else []),
            *[argument for argument in self._score_tensors() if argument[0] != "seed"],
            ("partial", "*fp32"),
            ("lse", "*fp32"),
            *self._strides("query", "key", "value"),
            ("slots", "i32"),
            ("share", "i32"),
            *[argument for argument in self._scalars() if argument[0] != "time"],
        ]
        combine = [
            ("partial", "*fp32"),
            ("lse", "*fp32"),
            *([("sinks", "*fp32")] if v.sinks else []),
            *self._tensors("out"),
            ("splits", "i32"),
        ]
        rows = max(16, 1 << (self.group - 1).bit_length())
        group = {"GROUP": self.group} if v.grouped else {}
        return (
            self._kernel("attention_decode", attend, decoding=True, sizes={**group, "ROWS": rows}),
            self._kernel(
                "attention_combine", combine, decoding=True, dots=False, sizes={"SPLITS": 16}
            ),
        )

    def _kernel(
        self,
        kind: str,
        arguments: Arguments,
        *,
        function: str | None = None,
        shared: bool = False,
        decoding: bool = False,
        dots: bool = True,
        sizes: Mapping[str, int] = NOTHING,
    ) -> Kernel:
        v = self.v
        constants: dict[str, int | float | bool] = {}
        if not (shared or decoding):
            constants |= {number.upper(): self.numbers[number] for number in v.numbers}
            constants |= {"GROUP": self.group} if v.grouped else {}
            constants |= {"DROPOUT": self.dropout} if v.dropout else {}
        first, last = ("GROUP", "ROWS", "SPLITS"), ("ONE_LOOP", "WANT_DK", "WANT_DV")
        constants |= {n: size for n, size in sizes.items() if n in first}
        constants |= {"HEAD_DIM": self.head_dim, **_dims(v.chunks)}
        constants |= {n: size for n, size in sizes.items() if n not in (*first, *last)}
        flags = {n: size for n, size in sizes.items() if n in last}
        names = (*constants, *_TILED.get(kind, ()), *flags)
        return Kernel(
            name=(function or kind) if shared else v.name + (function or kind),
            kind=kind,
            signature=(*arguments, *((name, "constexpr") for name in names)),
            constants=tuple((constants | flags).items()),
            aligned=tuple(n for n, t in arguments if t[0] == "*" or _STRIDE.search(n)),
            dots=dots,
            head_dim=self.head_dim,
        )

    def _tensors(self, *names: str) -> Arguments:
        return [(name, f"*{self.dtype}") for name in names]

    def _strides(self, *names: str) -> Arguments:
        return [(f"{name}_{axis}", "i32") for name in names for axis in ("batch", "head", "time")]

    def _out(self) -> tuple[str, str]:
        """What the forward pass writes; for the gradient of a bias it is kept in float32."""
        return ("out", "*fp32" if self.v.relative_bias else f"*{self.dtype}")

    def _inputs(self, names: Iterable[str]) -> Arguments:
        return [(name, "*i32") for name in names]

    def _score_tensors(self) -> Arguments:
        found = [("slopes", "*fp32")] if self.v.alibi else []
        found += [("profile", "*fp32")] if self.v.relative_bias else []
        return found + ([("seed", "*i64")] if self.v.dropout else [])

    def _scalars(self) -> Arguments:
        found = [("time", "i32"), *([("reach", "i32")] if self.v.relative_bias else [])]
        return [*found, ("scale", "fp32"), *([("softcap", "fp32")] if self.v.softcap else [])]


_TILED = {
    "attention_forward": ("BLOCK_Q", "BLOCK_K"),
    "attention_delta": ("BLOCK_Q",),
    "attention_dkdv": ("BLOCK_Q", "BLOCK_K"),
    "attention_dk": ("BLOCK_Q", "BLOCK_K"),
    "attention_dv": ("BLOCK_Q", "BLOCK_K"),
    "attention_dq": ("BLOCK_Q", "BLOCK_K"),
    "attention_decode": ("BLOCK_K",),
}
_STRIDE = re.compile(r"_(batch|head|time)$")


def _dims(chunks: tuple[int, ...]) -> dict[str, int]:
    if len(chunks) == 1:
        return {"DIM": chunks[0]}
    return {f"DIM_{i}": size for i, size in enumerate(chunks)}
