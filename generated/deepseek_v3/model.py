# Made from specs/deepseek_v3.yaml; make it again: tgen build specs/deepseek_v3.yaml
"""deepseek_v3: a decoder-only transformer with 61 layers and 671 B parameters.

Multi-head latent attention, which caches a latent of 512 numbers and a rotary key of 64 per
token; rotary positions with YaRN scaling; RMSNorm before each sublayer; a gated MLP with SiLU; a
mixture of 256 experts in some layers, 8 active per token; a shared expert for all tokens; sigmoid
routers; experts of each token's best groups; experts chosen with a correction bias that evens
their loads out.

Papers:
  DeepSeek-AI, DeepSeek-V2 (arXiv:2405.04434), section 2.1
  Su et al., RoFormer (arXiv:2104.09864)
  Peng et al., YaRN (arXiv:2309.00071)
  Zhang and Sennrich, Root Mean Square Layer Normalization (arXiv:1910.07467)
  Shazeer, GLU Variants Improve Transformer (arXiv:2002.05202)
  Shazeer et al., Outrageously Large Neural Networks (arXiv:1701.06538)
  Dai et al., DeepSeekMoE (arXiv:2401.06066), section 3.2
  DeepSeek-AI, DeepSeek-V3 (arXiv:2412.19437), section 2.1.2
  DeepSeek-AI, DeepSeek-V2 (arXiv:2405.04434), section 2.2.2
  Wang et al., Auxiliary-Loss-Free Load Balancing (arXiv:2408.15664)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Rotary = tuple[Tensor, Tensor]  # cosines and sines of the positions' angles
LOSS_CHUNKS = nn.LinearCrossEntropyOptions(batch_chunk_size=512)  # tokens per chunk of logits


@dataclass(frozen=True)
class Config:
    vocab_size: int = 129_280
    context_length: int = 163_840
    d_model: int = 7168
    layers: tuple[str, ...] = ("dense",) * 3 + ("sparse",) * 58  # the kind of each block
    heads: int = 128
    q_rank: int = 1536  # of the latent of queries
    kv_rank: int = 512  # of the latent of keys and values
    nope_dim: int = 128  # of a head, without positions
    rope_dim: int = 64  # of a head, with them; one key for all heads
    value_dim: int = 128  # of a value head
    d_ff: int = 18_432
    norm_eps: float = 1e-6
    experts: int = 256
    expert_groups: int = 8
    active_groups: int = 4  # whose experts a token may go to
    active_experts: int = 8  # per token
    expert_d_ff: int = 2048
    shared_d_ff: int = 2048  # of the expert that all tokens share
    route_scale: float = 2.5  # of the experts' weights
    route_eps: float = 1e-20
    rope_theta: float = 10_000.0
    rope_factor: float = 40.0  # longer than in training
    rope_beta_fast: float = 32.0  # waves per original context left alone
    rope_beta_slow: float = 1.0  # waves per original context fully stretched
    rope_original_context_length: int = 4096
    correction_rate: float = 0.001  # of correction_bias, per step
    init_std: float = 0.02

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            vocab_size=61,
            context_length=32,
            d_model=32,
            layers=("dense", "sparse"),
            heads=4,
            q_rank=24,
            kv_rank=16,
            nope_dim=12,
            rope_dim=8,
            value_dim=10,
            d_ff=48,
            experts=4,
            expert_groups=2,
            active_groups=1,
            active_experts=2,
            expert_d_ff=16,
            shared_d_ff=32,
            rope_original_context_length=16,
        )


def check(name: str, ids: Tensor, shape: tuple[int, ...], like: Tensor, allowed: range) -> None:
    """Refuses all but integers of a shape (-1: any size) beside `like`; on a CPU, of a range."""
    fits = ids.dim() == len(shape) and 0 not in ids.shape
    fits = fits and all(m in (n, -1) for n, m in zip(ids.shape, shape, strict=True))
    if not fits or ids.dtype not in (torch.int64, torch.int32) or ids.device != like.device:
        what = f"{name} of {tuple(ids.shape)} {ids.dtype} on {ids.device}"
        raise ValueError(f"{what}, not integers of {tuple(shape)} on {like.device}")
    at_hand = ids.is_cpu and not torch.compiler.is_compiling()  # a GPU would be waited for
    if at_hand and not allowed.start <= ids.min() <= ids.max() < allowed.stop:
        raise ValueError(f"{name} from {ids.min()} to {ids.max()}: not within {allowed}")


def rope(config: Config, positions: Tensor) -> Rotary:
    """Cosines and sines of rotary positions (arXiv:2104.09864, section 3.2.2). (..., 1, T, D)"""
    exponents = torch.arange(0, config.rope_dim, 2, device=positions.device) / config.rope_dim
    frequencies = config.rope_theta**-exponents  # angle per position of each pair of dimensions
    # YaRN (arXiv:2309.00071, section 3.2): pairs that turn often in the original context are
    # kept, slow ones are slowed down further, and those between are blended.
    per_turn = config.rope_original_context_length / (2 * math.pi)
    slots = config.rope_dim / (2 * math.log(config.rope_theta))
    first = slots * math.log(per_turn / config.rope_beta_fast)
    last = slots * math.log(per_turn / config.rope_beta_slow)
    first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, config.rope_dim - 1)
    pairs = torch.arange(config.rope_dim // 2, device=positions.device)
    slowed = ((pairs - first) / (last - first or 0.001)).clamp(0, 1)
    frequencies = frequencies * (1 - slowed) + frequencies / config.rope_factor * slowed
    angles = (positions[..., None] * frequencies).unsqueeze(-3)  # the same for all heads
    cos, sin = angles.cos(), angles.sin()
    return cos.repeat_interleave(2, dim=-1), torch.stack((-sin, sin), dim=-1).flatten(-2)


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """Turns each pair (x[2 i], x[2 i + 1]) by the angle of its position."""
    cos, sin = rotary
    partner = torch.unflatten(x, -1, (-1, 2)).flip(-1).flatten(-2)
    return (x * cos + partner * sin).type_as(x)


class Attention(nn.Module):
    """Attention whose keys and values are made of one latent per token (arXiv:2405.04434, 2.1)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads, self.kv_rank = config.heads, config.kv_rank
        self.q_rank = config.q_rank
        self.nope_dim, self.rope_dim = config.nope_dim, config.rope_dim
        self.value_dim = config.value_dim
        head_dim = self.nope_dim + self.rope_dim
        # Scores grow with the stretch of the positions (YaRN, arXiv:2309.00071, section 3.4).
        self.scale = (0.1 * math.log(config.rope_factor) + 1) ** 2 * head_dim**-0.5
        self.q_down = nn.Linear(config.d_model, self.q_rank, bias=False)
        self.q_latent_norm = nn.RMSNorm(self.q_rank, eps=config.norm_eps)
        self.q_up = nn.Linear(self.q_rank, self.heads * head_dim, bias=False)
        self.kv_down = nn.Linear(config.d_model, self.kv_rank + self.rope_dim, bias=False)
        self.kv_latent_norm = nn.RMSNorm(self.kv_rank, eps=config.norm_eps)
        width = self.heads * (self.nope_dim + self.value_dim)
        self.kv_up = nn.Linear(self.kv_rank, width, bias=False)
        self.o_proj = nn.Linear(self.heads * self.value_dim, config.d_model, bias=False)

    def forward(self, x: Tensor, rotary: Rotary, cache: LayerCache | None = None) -> Tensor:
        batch, time, _ = x.shape
        q = (
            self.q_up(self.q_latent_norm(self.q_down(x)))
            .view(batch, time, self.heads, -1)
            .transpose(1, 2)
        )
        q, q_rope = torch.split(q, [self.nope_dim, self.rope_dim], dim=-1)  # (B, H, T, D)
        down = self.kv_down(x).unsqueeze(1)
        latent, k_rope = torch.split(down, [self.kv_rank, self.rope_dim], dim=-1)
        latent = self.kv_latent_norm(latent)  # (B, 1, T, R)
        q_rope, k_rope = rotate(q_rope, rotary), rotate(k_rope, rotary)
        if cache is not None:
            latents = cache.store(torch.cat((latent, k_rope), dim=-1))
            if cache.seen is not None:
                return self.decode(q, q_rope, latents, cache.seen)
        kv = self.kv_up(latent).view(batch, time, self.heads, -1).transpose(1, 2)
        k, v = torch.split(kv, [self.nope_dim, self.value_dim], dim=-1)
        q = torch.cat((q, q_rope), dim=-1)
        k = torch.cat((k, k_rope.expand(-1, self.heads, -1, -1)), dim=-1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.scale)
        return self.o_proj(y.transpose(1, 2).reshape(batch, time, -1))  # (B, T, C)

    def decode(self, q: Tensor, q_rope: Tensor, latents: Tensor, seen: Tensor) -> Tensor:
        """Attention of new tokens to the latents themselves: kv_up moves to either side of it.

        All heads share the keys, so they stand where the queries of one head do.
        """
        batch, _, time, _ = q.shape
        kv_up = self.kv_up.weight.view(self.heads, -1, self.kv_rank)
        k_up, v_up = torch.split(kv_up, [self.nope_dim, self.value_dim], dim=1)  # (H, D, R)
        q = torch.cat((q @ k_up, q_rope), dim=-1)
        q = q.transpose(1, 2).flatten(1, 2)[:, None]  # (B, 1, T * H, R + D)
        seen = seen.expand(-1, self.heads, -1, -1).transpose(1, 2).flatten(1, 2)[:, None]
        y = F.scaled_dot_product_attention(
            q, latents, latents[..., : self.kv_rank], attn_mask=seen, scale=self.scale
        )
        y = y.view(batch, time, self.heads, -1).transpose(1, 2) @ v_up.transpose(1, 2)
        return self.o_proj(y.transpose(1, 2).flatten(2))  # (B, T, C)

    def new_cache(self, batch: int, length: int) -> LayerCache:
        width = self.kv_rank + self.rope_dim
        return LayerCache(batch, length, width, self.kv_up.weight)


def grouped_linear(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    """Each expert's rows of x (M, I), which end at ends[e], times its weights of (E, O, I)."""
    if torch.is_autocast_enabled(x.device.type):  # F.grouped_mm does not know of it
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight = x.to(dtype), weight.to(dtype)
    too_old = x.is_cuda and torch.cuda.get_device_capability(x.device) < (8, 0)
    if x.dtype == torch.bfloat16 and not too_old:
        return F.grouped_mm(x, weight.mT, offs=ends)
    counts = ends.diff(prepend=ends.new_zeros(1)).tolist()
    pairs = zip(torch.split(x, counts), weight.unbind(), strict=True)
    return torch.cat([F.linear(rows, matrix) for rows, matrix in pairs if len(rows)])


class MLP(nn.Module):
    def __init__(self, config: Config, d_ff: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.d_model, d_ff, bias=False)
        self.up_proj = nn.Linear(config.d_model, d_ff, bias=False)
        self.down_proj = nn.Linear(d_ff, config.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Experts(nn.Module):
    """MLPs side by side: their weights are stacked along the first axis."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        experts, d_model, d_ff = config.experts, config.d_model, config.expert_d_ff
        self.gate_proj = nn.Parameter(torch.empty(experts, d_ff, d_model))
        self.up_proj = nn.Parameter(torch.empty(experts, d_ff, d_model))
        self.down_proj = nn.Parameter(torch.empty(experts, d_model, d_ff))

    def forward(self, x: Tensor, experts: Tensor) -> Tensor:
        """Rows x (M, C), sorted by their experts (M,), each through its own."""
        numbers = torch.arange(len(self.up_proj), device=x.device)
        ends = torch.searchsorted(experts, numbers, right=True, out_int32=True)
        h = F.silu(grouped_linear(x, self.gate_proj, ends)) * grouped_linear(x, self.up_proj, ends)
        return grouped_linear(h, self.down_proj, ends)


class MoE(nn.Module):
    """A mixture of experts: each token goes through its active ones and a shared one."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.active = config.active_experts
        self.groups, self.active_groups = config.expert_groups, config.active_groups
        self.eps = config.route_eps
        self.scale = config.route_scale
        self.router = nn.Linear(config.d_model, config.experts, bias=False)
        # For the choice of experts alone; correct_routers() moves it, no optimizer does.
        self.correction_bias = nn.Parameter(torch.zeros(config.experts), requires_grad=False)
        self.loads: Tensor | None = None  # (E,) tokens of each expert since correct_routers()
        self.experts = Experts(config)
        self.shared = MLP(config, config.shared_d_ff)

    def route(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The weights and numbers (N, K) of the experts of tokens (N, C)."""
        scores = torch.sigmoid(self.router(x).float())  # (N, E)
        groups = (scores + self.correction_bias).view(len(x), self.groups, -1)  # (N, G, E / G)
        best = groups.topk(2).values.sum(-1).topk(self.active_groups).indices
        closed = torch.ones_like(groups[..., 0], dtype=torch.bool).scatter(-1, best, False)
        choice = groups.masked_fill(closed[..., None], -math.inf).flatten(-2)  # (N, E)
        experts = choice.topk(self.active).indices
        weights = scores.gather(-1, experts)
        if self.training and torch.is_grad_enabled():
            met = torch.zeros_like(scores).scatter(-1, experts, 1.0).sum(0)  # (E,)
            self.loads = met if self.loads is None else self.loads + met
        weights = weights / (weights.sum(-1, keepdim=True) + self.eps)
        return (self.scale * weights).type_as(x), experts

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(0, 1)  # (N, C)
        weights, experts = self.route(tokens)
        chosen, order = experts.flatten().sort(stable=True)  # (N * K,)
        y = self.experts(tokens[order // self.active], chosen)
        y = torch.empty_like(y).index_copy(0, order, y)  # back in the order of tokens
        y = torch.einsum("nk,nkc->nc", weights.type_as(y), torch.unflatten(y, 0, weights.shape))
        return y.view_as(x) + self.shared(x)


class Block(nn.Module):
    def __init__(self, config: Config, mlp: nn.Module) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.d_model, eps=config.norm_eps)
        self.attention = Attention(config)
        self.mlp_norm = nn.RMSNorm(config.d_model, eps=config.norm_eps)
        self.mlp = mlp

    def forward(self, x: Tensor, rotary: Rotary, cache: LayerCache | None = None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), rotary, cache)
        return x + self.mlp(self.mlp_norm(x))


class LayerCache:
    """Latents of one layer: position p lies in slot p."""

    slots: Tensor  # (B, T) that new tokens take
    seen: Tensor | None = None  # (B, 1, T, S) keys that they see; None: a prompt, which sees itself

    def __init__(self, batch: int, slots: int, width: int, like: Tensor) -> None:
        self.rows = torch.arange(batch, device=like.device)[:, None]
        self.keys = like.new_zeros(batch, 1, slots, width)  # (B, 1, S, R + D)

    def store(self, k: Tensor) -> Tensor:
        """Keeps the latents of new tokens (B, 1, T, R + D); all those that they may see."""
        return self.keep(self.keys, k)

    def keep(self, kept: Tensor, new: Tensor) -> Tensor:
        """Puts what is new into its slots; what new tokens may see of it all."""
        if self.seen is None:
            kept[:, :, : new.size(2)] = new
            return new
        kept[self.rows, :, self.slots] = new.transpose(1, 2).type_as(kept)
        return kept


class Cache:
    """What decoding remembers of a batch of sequences; each row has a length of its own."""

    def __init__(self, layers: list[LayerCache], batch: int, length: int, rotary: Rotary) -> None:
        self.layers = layers
        self.length = length  # tokens that a row may have
        self.used: int | None = 0  # tokens in the longest row; None: to be counted
        self.lengths = torch.zeros(batch, dtype=torch.int64, device=layers[0].keys.device)
        self.rows = torch.arange(batch, device=self.lengths.device)[:, None]
        self.slots = torch.arange(length, device=self.lengths.device)
        self.angles = rotary  # of all positions

    def rotary(self, positions: Tensor) -> Rotary:
        """Cosines and sines of positions, looked up. (..., 1, T, D)"""
        cos, sin = self.angles
        return cos[0][positions].unsqueeze(-3), sin[0][positions].unsqueeze(-3)

    def begin(self, tokens: Tensor, lengths: Tensor | None) -> None:
        """Makes rows as long as prompts (B, T), which come next, or as `lengths` of them."""
        if self.used != 0 and int(self.lengths.max()) > 0:
            raise ValueError("prompts for a cache that holds tokens: append them with extend")
        if (time := tokens.size(1)) > self.length:
            raise ValueError(f"{time} tokens in a cache made for {self.length}")
        lengths = torch.full_like(self.lengths, time) if lengths is None else lengths
        check("lengths", lengths, self.lengths.shape, self.rows, range(1, time + 1))
        self.lengths, self.used = lengths, None
        for layer in self.layers:
            layer.seen = None

    def append(self, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Makes rows longer by tokens (B, T), or by `lengths` of them; positions of all (B, T)."""
        time, used = tokens.size(1), None
        if lengths is not None:
            check("lengths", lengths, self.lengths.shape, self.rows, range(time + 1))
        if not torch.compiler.is_compiling():  # or each count would be compiled by itself
            used = time + (int(self.lengths.max()) if self.used is None else self.used)
            if used > self.length:
                raise ValueError(f"{used} tokens in a cache made for {self.length}")
        self.used = used if lengths is None else None
        positions = self.lengths[:, None] + torch.arange(time, device=self.lengths.device)
        self.lengths = self.lengths + (time if lengths is None else lengths)
        seen = (self.slots <= positions[..., None])[:, None]  # (B, 1, T, S)
        for layer in self.layers:
            layer.slots, layer.seen = positions, seen
        return positions

    def truncate(self, lengths: Tensor) -> None:
        """Takes longer rows back to `lengths` (B,): forgets wrong guesses, keeps a prompt."""
        check("lengths", lengths, self.lengths.shape, self.rows, range(self.length + 1))
        self.lengths, self.used = torch.minimum(self.lengths, lengths), None


BLOCKS: dict[str, Callable[[Config], nn.Module]] = {
    "dense": lambda config: Block(config, MLP(config, config.d_ff)),
    "sparse": lambda config: Block(config, MoE(config)),
}


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.blocks = nn.ModuleList(BLOCKS[kind](config) for kind in config.layers)
        self.norm = nn.RMSNorm(config.d_model, eps=config.norm_eps)
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Draws every weight from N(0, init_std^2), except:

        correction_bias    zero
        norm weights       one
        o_proj, down_proj  init_std / sqrt(2 * layers) (GPT-2, section 2.3)
        """
        residual_std = self.config.init_std / math.sqrt(2 * len(self.config.layers))
        for name, parameter in self.named_parameters():
            if name.endswith("correction_bias"):
                nn.init.zeros_(parameter)
            elif name.endswith("norm.weight"):
                nn.init.ones_(parameter)
            elif name.endswith(("o_proj.weight", "down_proj.weight", "experts.down_proj")):
                nn.init.normal_(parameter, std=residual_std)
            else:
                nn.init.normal_(parameter, std=self.config.init_std)

    def hidden(self, tokens: Tensor, positions: Tensor, cache: Cache | None = None) -> Tensor:
        """What the head reads: the normalised residual stream after the last block. (B, T, C)"""
        x = self.token_embedding(tokens)  # (B, T, C)
        rotary = cache.rotary(positions) if cache else rope(self.config, positions)
        for layer, block in enumerate(self.blocks):
            x = block(x, rotary, cache.layers[layer] if cache else None)
        return self.norm(x)

    def logits(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., V)"""
        return F.linear(x, self.head.weight)

    def forward(
        self, tokens: Tensor, targets: Tensor | None = None, *, reduction: str = "mean"
    ) -> Tensor:
        """Logits (B, T, V) of tokens (B, T); with targets (B, T), -100 ignored, the cross entropy.

        reduction: "mean" or "sum" over the targets, or "none" for the loss per token (B, T).
        """
        check("tokens", tokens, (-1, -1), tokens, range(self.config.vocab_size))
        x = self.hidden(tokens, torch.arange(tokens.size(1), device=tokens.device))
        if targets is None:
            return self.logits(x)
        check("targets", targets, tokens.shape, tokens, range(-100, self.config.vocab_size))
        flat, labels = x.flatten(0, 1), targets.flatten()  # (B * T, C), (B * T,)
        loss = F.linear_cross_entropy(
            flat, self.head.weight, labels, reduction=reduction, options=LOSS_CHUNKS
        )
        return loss.view_as(targets) if reduction == "none" else loss

    def expert_loads(self) -> Tensor:
        """Tokens that each expert of each layer has met since correct_routers(). (L * E,)"""
        moes = [m for m in self.modules() if isinstance(m, MoE)]
        return torch.cat([moe.loads for moe in moes if moe.loads is not None])

    @torch.no_grad()
    def correct_routers(self, loads: Tensor) -> None:
        """Moves experts with loads (L * E,) below their layer's mean up in its choice, others down.

        Each by correction_rate, and nothing of it is in the loss (arXiv:2408.15664, section 3).
        """
        moes = [m for m in self.modules() if isinstance(m, MoE)]
        sizes = [len(moe.correction_bias) for moe in moes]
        for moe, load in zip(moes, torch.split(loads, sizes), strict=True):
            step = torch.sign(load.mean() - load)
            moe.correction_bias.add_(step, alpha=self.config.correction_rate)
            moe.loads = None

    def new_cache(self, batch: int, length: int) -> Cache:
        """An empty cache for `batch` sequences of up to `length` tokens."""
        positions = torch.arange(length, device=self.token_embedding.weight.device)
        layers = [m.new_cache(batch, length) for m in self.modules() if isinstance(m, Attention)]
        return Cache(layers, batch, length, rope(self.config, positions))

    def prefill(self, tokens: Tensor, cache: Cache, lengths: Tensor | None = None) -> Tensor:
        """Reads prompts (B, T), of `lengths` (B,) if padded on the right; next logits (B, V)."""
        check("tokens", tokens, (len(cache.rows), -1), cache.rows, range(self.config.vocab_size))
        cache.begin(tokens, lengths)
        x = self.hidden(tokens, torch.arange(tokens.size(1), device=tokens.device), cache)
        return self.logits(x[cache.rows[:, 0], cache.lengths - 1])

    def extend(self, tokens: Tensor, cache: Cache, lengths: Tensor | None = None) -> Tensor:
        """Appends tokens (B, T), of `lengths` (B,) if padded; logits (B, T, V) after each."""
        check("tokens", tokens, (len(cache.rows), -1), cache.rows, range(self.config.vocab_size))
        positions = cache.append(tokens, lengths)  # (B, T)
        return self.logits(self.hidden(tokens, positions, cache))

    def decode(self, token: Tensor, cache: Cache) -> Tensor:
        """Appends a token (B,) to each row; logits (B, V) of the next."""
        return self.extend(token.unsqueeze(-1), cache)[:, 0]
