"""Checks of the kernels beside attention, for a process of their own.

TRITON_INTERPRET=1 must be set before triton is imported, so the tests run this file:
`python row_kernel_checks.py FOLDER [NAME ...]` runs the checks on the packages in FOLDER, in plain
PyTorch or interpreted as the environment says, and prints what failed as JSON.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

TOLERANCE = {torch.float32: 2e-5, torch.float16: 1e-3}  # of the largest number
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DTYPES = tuple(TOLERANCE) if INTERPRETED else (torch.float32,)  # PyTorch's own float16 is coarser
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "swiglu": F.silu,
    "geglu": F.gelu,
    "geglu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "reglu": F.relu,
    "squared_reglu": lambda x: F.relu(x) ** 2,
}
# Losses by package: bias, softcap, z_loss.
LOSSES = {"bare": (False, 0.0, 0.0), "capped": (False, 3.0, 0.0), "full": (True, 5.0, 0.01)}


def ops(package: str = "full") -> ModuleType:
    return importlib.import_module(f"{package}.ops")


def close(name: str, got: Tensor | None, expected: Tensor | None, dtype: torch.dtype) -> None:
    assert got is not None and expected is not None, f"{name}: {got} instead of {expected}"
    assert got.shape == expected.shape, f"{name}: {got.shape} instead of {expected.shape}"
    worst = (got.double() - expected).abs().max().item()
    bound = TOLERANCE[dtype] * max(expected.abs().max().item(), 1e-30)
    assert worst <= bound, f"{name} in {dtype}: off by {worst}, more than {bound}"


def compare(
    function: Callable[..., tuple[Tensor, ...]],
    reference: Callable[..., tuple[Tensor, ...]],
    *inputs: Tensor,
) -> None:
    """Outputs and gradients of all inputs, with random gradients of the outputs."""
    exact = [x.detach().double().requires_grad_() for x in inputs]
    outputs = function(*(x.requires_grad_() for x in inputs))
    expected = reference(*exact)
    torch.manual_seed(1)
    grads = [torch.randn_like(y, dtype=torch.float64).to(y.dtype) for y in outputs]
    torch.autograd.backward(outputs, grads)
    torch.autograd.backward(expected, [g.double() for g in grads])
    for number, (got, y) in enumerate(zip(outputs, expected, strict=True)):
        close(f"output {number}", got.detach(), y.detach(), inputs[0].dtype)
    for number, (x, y) in enumerate(zip(inputs, exact, strict=True)):
        close(f"gradient {number}", x.grad, y.grad, x.dtype)


def random(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).to(dtype)


def rms_norm(x: Tensor, weight: Tensor | float, eps: float) -> Tensor:
    return x * (x.square().mean(-1, keepdim=True) + eps).rsqrt() * weight


def check_triton_is_imported_only_where_it_is_asked_for() -> None:
    assert hasattr(ops(), "kernels") == INTERPRETED
    assert INTERPRETED or "triton" not in sys.modules


# --- The norm ---------------------------------------------------------------------------------


def check_norm_of_a_sum() -> None:
    for dtype, shape in itertools.product(DTYPES, ((2, 3, 96), (7, 80), (2, 5, 1, 33), (1, 1))):
        branch, x = random(*shape, dtype=dtype), random(*shape, dtype=dtype)
        # The sum as it is stored, which is what gets normalised.
        rounding = (branch + x).double() - branch.double() - x.double()

        def reference(
            branch: Tensor, x: Tensor, *weight: Tensor, rounding: Tensor = rounding
        ) -> tuple[Tensor, ...]:
            total = branch + x + rounding
            return rms_norm(total, weight[0] if weight else 1.0, 1e-3), total

        weight = random(shape[-1], dtype=dtype)
        compare(lambda *t: ops().add_rms_norm(*t, 1e-3), reference, branch, x, weight)
        compare(lambda *t: ops().add_plain_rms_norm(*t, 1e-3), reference, _fresh(branch), _fresh(x))


def check_norm_of_strided_and_mixed_inputs() -> None:
    branch = random(4, 3, 64, dtype=torch.float16)[:, ::2, 8:56]
    x, weight = random(48, 4, 2).permute(1, 2, 0), random(48)
    normed, total = ops().add_rms_norm(branch, x, weight, 1e-6)
    assert (normed.dtype, total.dtype) == (torch.float16, torch.float32)
    close("sum", total, branch.double() + x.double(), torch.float32)
    close("norm", normed, rms_norm(total.double(), weight.double(), 1e-6), torch.float16)


# --- Rotary positions -------------------------------------------------------------------------


def angles(*shape: int, dim: int) -> tuple[Tensor, Tensor]:
    turned = torch.rand(*shape, dim // 2, dtype=torch.float64) * 6
    cos, sin = turned.cos(), turned.sin()
    return torch.cat((cos, cos), -1).float(), torch.cat((-sin, sin), -1).float()


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """By complex numbers: (x1 + i x2) e^(i angle)."""
    half = x.size(-1) // 2
    angle = torch.complex(cos[..., :half].double(), sin[..., half:].double())
    angle = angle.reshape(-1, x.size(1), 1, half)
    y = torch.complex(x[..., :half], x[..., half:]) * angle
    return torch.cat((y.real, y.imag), -1)


def check_rotary_positions() -> None:
    sizes = (
        (2, 3, 4, 2, 96),
        (1, 5, 3, 1, 80),
        (2, 5, 5, 5, 6),  # more tokens than programs
        (1, 1, 1, 1, 2),
        (2, 2, 33, 3, 64),
    )
    for dtype, (batch, length, heads, kv_heads, dim) in itertools.product(DTYPES, sizes):
        for cos, sin in (angles(length, dim=dim), angles(batch, 1, length, dim=dim)):
            q = random(batch, length, heads, dim, dtype=dtype)
            k = random(batch, length, kv_heads, dim, dtype=dtype)
            q_weight, k_weight = random(dim, dtype=dtype), random(dim, dtype=dtype)

            def plain(
                q: Tensor, k: Tensor, cos: Tensor = cos, sin: Tensor = sin
            ) -> tuple[Tensor, ...]:
                return turned(q, cos, sin), turned(k, cos, sin)

            def normed(
                q: Tensor, k: Tensor, *w: Tensor, cos: Tensor = cos, sin: Tensor = sin
            ) -> tuple[Tensor, ...]:
                q_weight, k_weight = w or (1.0, 1.0)
                q, k = rms_norm(q, q_weight, 1e-3), rms_norm(k, k_weight, 1e-3)
                return turned(q, cos, sin), turned(k, cos, sin)

            rotary = (cos, sin)
            compare(lambda q, k, r=rotary: ops().rope_qk(q, k, r), plain, _fresh(q), _fresh(k))
            compare(
                lambda q, k, r=rotary: ops().plain_norm_rope_qk(q, k, r, 1e-3),
                normed, _fresh(q), _fresh(k),
            )  # fmt: skip
            compare(
                lambda q, k, u, w, r=rotary: ops().norm_rope_qk(q, k, u, w, r, 1e-3),
                normed, q, k, q_weight, k_weight,
            )  # fmt: skip


def check_rotary_positions_of_one_fused_projection() -> None:
    rotary = angles(3, dim=16)
    fused = random(2, 3, (4 + 2 + 2) * 16).requires_grad_()
    heads = fused.view(2, 3, 8, 16)
    q, k = ops().rope_qk(heads[:, :, :4], heads[:, :, 4:6], rotary)
    torch.autograd.backward(
        (q.transpose(1, 2) * 2).sum()
    )  # the gradient comes expanded and transposed
    exact = fused.detach().double().requires_grad_()
    y = turned(exact.view(2, 3, 8, 16)[:, :, :6], *rotary)
    torch.autograd.backward((y[:, :, :4] * 2).sum())
    close("q", q.detach(), y[:, :, :4].detach(), torch.float32)
    close("k", k.detach(), y[:, :, 4:].detach(), torch.float32)
    close("gradient", fused.grad, exact.grad, torch.float32)


# --- Gated activations ------------------------------------------------------------------------


def check_gated_activations() -> None:
    for dtype, (name, activation) in itertools.product(DTYPES, ACTIVATIONS.items()):
        for shape in ((2, 3, 67), (3, 1100)):
            gate, up = random(*shape, dtype=dtype) * 2, random(*shape, dtype=dtype)
            compare(
                lambda g, u, name=name: (getattr(ops(), name)(g, u),),
                lambda g, u, act=activation: (act(g) * u,),
                gate, up,
            )  # fmt: skip


def check_gated_activations_of_one_fused_projection() -> None:
    fused = random(2, 3, 60).requires_grad_()
    h = ops().swiglu(*fused.chunk(2, dim=-1))
    torch.autograd.backward(h.sum())
    exact = fused.detach().double().requires_grad_()
    gate, up = exact.chunk(2, dim=-1)
    y = F.silu(gate) * up
    torch.autograd.backward(y.sum())
    close("h", h.detach(), y.detach(), torch.float32)
    close("gradient", fused.grad, exact.grad, torch.float32)


# --- The head's loss --------------------------------------------------------------------------


def losses(package: str, tensors: Sequence[Tensor], targets: Tensor) -> Tensor:
    """The reference: a loss a token, 0 where ignored."""
    x, weight, bias = tensors[0], tensors[1], tensors[-1]
    has_bias, softcap, z_loss = LOSSES[package]
    logits = x @ weight.T + (bias if has_bias else 0.0)
    logits = softcap * torch.tanh(logits / softcap) if softcap else logits
    lse = logits.logsumexp(-1)
    at_target = logits.gather(-1, targets.clamp(min=0)[:, None])[:, 0]
    return (lse - at_target + z_loss * lse**2).where(targets != -100, 0.0)


def loss_inputs(
    tokens: int, vocab: int, ignored: float, dtype: torch.dtype = torch.float32
) -> tuple[list[Tensor], Tensor]:
    targets = torch.randint(vocab, (tokens,)).masked_fill(torch.rand(tokens) < ignored, -100)
    wide = 24
    x, weight = random(tokens, wide, dtype=dtype) / 2, random(vocab, wide, dtype=dtype) / 4
    weight[-1 - vocab // 64 :] *= 3  # the largest logits come last
    return [x, weight, random(vocab, dtype=dtype)], targets


def call_loss(package: str, tensors: list[Tensor], targets: Tensor, reduction: str) -> Tensor:
    has_bias, softcap, z_loss = LOSSES[package]
    bias = tensors[2:] if has_bias else []
    numbers = [number for number in (softcap, z_loss) if number]
    loss = ops(package).linear_cross_entropy(*tensors[:2], *bias, targets, *numbers, reduction)
    assert isinstance(loss, Tensor)
    return loss


def check_loss_and_its_gradients() -> None:
    # More than a chunk of 64 tokens; more than a block of 4096 logits.
    cases = ((70, 71, 0.2), (2, 4200, 0.0), (1, 3, 0.0))
    for package, reduction, (tokens, vocab, ignored), dtype in itertools.product(
        LOSSES, ("none", "sum", "mean"), cases, DTYPES
    ):
        if reduction == "mean" and tokens > 2:
            continue  # it is the sum, divided
        tensors, targets = loss_inputs(tokens, vocab, ignored, dtype)
        targets[0] = 0  # "mean" needs one that counts
        count = LOSSES[package][0] + 2

        def reference(
            *t: Tensor,
            package: str = package,
            reduction: str = reduction,
            targets: Tensor = targets,
        ) -> tuple[Tensor]:
            each = losses(package, t, targets)
            if reduction == "none":
                return (each,)
            return (each.sum() / ((targets != -100).sum() if reduction == "mean" else 1),)

        compare(
            lambda *t, p=package, r=reduction, y=targets: (call_loss(p, list(t), y, r),),
            reference,
            *tensors[:count],
        )


def check_loss_where_every_token_is_ignored() -> None:
    for package in LOSSES:
        for reduction in ("none", "sum"):
            tensors, _ = loss_inputs(9, 20, 0.0)
            used = [t.requires_grad_() for t in tensors][: LOSSES[package][0] + 2]
            loss = call_loss(package, tensors, torch.full((9,), -100), reduction)
            torch.autograd.backward(loss.sum())
            assert not loss.any() and all(t.grad is not None and not t.grad.any() for t in used)
        mean = call_loss(package, tensors, torch.full((9,), -100), "mean")
        assert mean.isnan()  # as torch has it


def check_loss_without_gradients() -> None:
    tensors, targets = loss_inputs(70, 33, 0.1)
    expected = losses("capped", [t.double() for t in tensors], targets).sum()
    close("loss", call_loss("capped", tensors, targets, "sum"), expected, torch.float32)
    with torch.no_grad():
        tensors = [t.requires_grad_() for t in tensors]
        close("loss", call_loss("capped", tensors, targets, "sum"), expected, torch.float32)


def check_loss_in_float16_with_a_scaled_gradient() -> None:
    """A gradient of 65536, as a gradient scaler's, or of 1e-6 neither overflows nor vanishes."""
    for scale in (65536.0, 1e-6):
        tensors, targets = loss_inputs(8, 30, 0.0, torch.float16)
        weight = tensors[1].float().requires_grad_()
        loss = call_loss("capped", [tensors[0].float(), weight, tensors[2]], targets, "none")
        torch.autograd.backward((loss * scale).sum())
        exact = [t.double().requires_grad_() for t in tensors]
        torch.autograd.backward((losses("capped", exact, targets) * scale).sum())
        close("gradient", weight.grad, exact[1].grad, torch.float16)


def check_log_probs() -> None:
    tensors, targets = loss_inputs(70, 33, 0.1)
    got = ops("bare").token_log_probs(tensors[0], tensors[1], targets)
    expected = -losses("bare", [t.double() for t in tensors], targets)
    close("log p", got, expected, torch.float32)


def check_same_bits_each_time() -> None:
    def gradients() -> list[Tensor | None]:
        torch.manual_seed(0)
        q, k = random(2, 9, 4, 16).requires_grad_(), random(2, 9, 2, 16).requires_grad_()
        w = [random(16).requires_grad_(), random(16).requires_grad_()]
        sum(y.sum() for y in ops().norm_rope_qk(q, k, *w, angles(9, dim=16), 1e-6)).backward()
        return [t.grad for t in (q, k, *w)]

    for a, b in zip(gradients(), gradients(), strict=True):
        assert a is not None and b is not None and torch.equal(a, b)


# --- torch.compile and errors -----------------------------------------------------------------


def check_compile_keeps_the_graph_whole() -> None:
    cos, sin = angles(3, dim=8)

    def step(x: Tensor, w: Tensor, head: Tensor, bias: Tensor, targets: Tensor) -> Any:
        h, x = ops_full.add_rms_norm(x * 2, x, w, 1e-6)
        q, k = h.view(2, 3, 4, 8), x.view(2, 3, 4, 8)
        q, k = ops_full.norm_rope_qk(q, k, w[:8], w[8:16], (cos, sin), 1e-6)
        q, k = ops_full.rope_qk(q, k, (cos, sin))
        h = ops_full.swiglu(q.flatten(2), k.flatten(2)) + x
        flat = h.flatten(0, 1)
        each = ops_full.linear_cross_entropy(flat, head, bias, targets, 5.0, 0.01, "none")
        mean = ops_full.linear_cross_entropy(flat, head, bias, targets, 5.0, 0.01)
        return each.sum() + mean

    ops_full = ops()
    inputs = [random(2, 3, 32), random(32), random(20, 32), random(20)]
    targets = torch.randint(20, (6,))
    results = []
    compiled: Callable[..., Tensor] = torch.compile(step, fullgraph=True, backend="aot_eager")
    runs: tuple[Callable[..., Tensor], ...] = (step, compiled)
    for run in runs:
        fresh = [_fresh(x).requires_grad_() for x in inputs]
        loss = run(*fresh, targets)
        torch.autograd.backward(loss)
        results.append((loss, [x.grad for x in fresh]))
    (loss, grads), (compiled_loss, compiled_grads) = results
    close("loss", compiled_loss.detach(), loss.detach().double(), torch.float32)
    for got, expected in zip(compiled_grads, grads, strict=True):
        assert expected is not None
        close("gradient", got, expected.double(), torch.float32)


def check_registrations() -> None:
    """torch.library's own checks: schemas, fake outputs, autograd."""
    if not INTERPRETED:
        return
    kernels = importlib.import_module("full.kernels")
    x, w = random(2, 3, 8).requires_grad_(), random(8).requires_grad_()
    q, (cos, sin) = random(2, 3, 2, 8).requires_grad_(), angles(3, dim=8)
    flat, head = random(6, 8).requires_grad_(), random(5, 8).requires_grad_()
    bias, targets = random(5).requires_grad_(), torch.randint(5, (6,))
    loss = (flat, head, bias, targets, 5.0, 0.01, torch.float32)
    for op, arguments in (
        (kernels.add_rms_norm_forward, (x, _fresh(x).requires_grad_(), w, 1e-6)),
        (
            kernels.norm_rope_qk_forward,
            (q, _fresh(q).requires_grad_(), w, _fresh(w), cos, sin, 1e-6),
        ),
        (kernels.rope_qk_forward, (q, _fresh(q).requires_grad_(), cos, sin, 1.0)),
        (kernels.swiglu_forward, (x, _fresh(x).requires_grad_())),
        (kernels.cross_entropy_tokens, loss),
    ):
        torch.library.opcheck(op, arguments)
    tests = ("test_schema", "test_faketensor")
    torch.library.opcheck(kernels.cross_entropy_sum, (*loss, True), test_utils=tests)


def check_errors_name_the_value() -> None:
    if not INTERPRETED:
        return
    x, w, q, rotary = random(2, 8), random(7), random(1, 2, 1, 6), angles(2, dim=8)
    for what, call in (
        ("(7,)", lambda: ops().add_rms_norm(x, x, w, 1e-6)),
        ("(3, 8)", lambda: ops().add_rms_norm(random(3, 8), x, random(8), 1e-6)),
        ("float64", lambda: ops().swiglu(x.double(), x.double())),
        ("(2, 7)", lambda: ops().swiglu(x, random(2, 7))),
        ("(2, 8)", lambda: ops().rope_qk(q, q, rotary)),
        ("5 numbers", lambda: ops().rope_qk(q[..., :5], q[..., :5], rotary)),
        ("'max'", lambda: call_loss("bare", [x, x], torch.tensor([0, 1]), "max")),
        ("torch.int32", lambda: call_loss("bare", [x, x], torch.tensor([0, 1]).int(), "sum")),
    ):
        try:
            call()
        except ValueError as error:
            assert what in str(error), error
        else:
            raise AssertionError(f"nothing was said of {what}")


def _fresh(x: Tensor) -> Tensor:
    return x.detach().clone()


CHECKS = {name: f for name, f in globals().items() if name.startswith("check_")}


def main() -> None:
    torch.manual_seed(0)
    sys.path.insert(0, sys.argv[1])
    failed = {}
    for name in sys.argv[2:] or CHECKS:
        start = time.perf_counter()
        try:
            CHECKS[name]()
        except Exception:
            failed[name] = traceback.format_exc()
        print(f"{name}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
    print(json.dumps(failed))


if __name__ == "__main__":
    main()
