# Made from specs/gpt_oss.yaml; make it again: tgen build specs/gpt_oss.yaml
"""gpt_oss: a decoder-only transformer with 24 layers and 20.9 B parameters.

64 query heads share 8 key-value heads; some layers see only the last 128 tokens; a learned
attention sink per head; rotary positions with YaRN scaling; RMSNorm before each sublayer; a gated
MLP with SiLU; a mixture of 32 experts, 4 active per token.

Papers:
  Ainslie et al., GQA (arXiv:2305.13245)
  Jiang et al., Mistral 7B (arXiv:2310.06825), section 2
  Xiao et al., Streaming Language Models with Attention Sinks (arXiv:2309.17453)
  Su et al., RoFormer (arXiv:2104.09864)
  Peng et al., YaRN (arXiv:2309.00071)
  Zhang and Sennrich, Root Mean Square Layer Normalization (arXiv:1910.07467)
  Shazeer, GLU Variants Improve Transformer (arXiv:2002.05202)
  Shazeer et al., Outrageously Large Neural Networks (arXiv:1701.06538)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attention, cached_attention

Rotary = tuple[Tensor, Tensor]  # cosines and sines of the positions' angles
LOSS_CHUNKS = nn.LinearCrossEntropyOptions(batch_chunk_size=512)  # tokens per chunk of logits


@dataclass(frozen=True)
class Config:
    vocab_size: int = 201_088
    context_length: int = 131_072
    d_model: int = 2880
    layers: int = 24
    heads: int = 64
    kv_heads: int = 8
    head_dim: int = 64
    windows: tuple[int, ...] = (128, 2**30) * 12  # by layer; 2**30 is all
    activation_beta: float = 1.702  # silu is x * sigmoid(beta x)
    mlp_clamp: float = 7.0  # of what is gated
    up_offset: float = 1.0
    norm_eps: float = 1e-5
    experts: int = 32
    active_experts: int = 4  # per token
    expert_d_ff: int = 2880
    rope_theta: float = 150_000.0
    rope_factor: float = 32.0  # longer than in training
    rope_beta_fast: float = 32.0  # waves per original context left alone
    rope_beta_slow: float = 1.0  # waves per original context fully stretched
    rope_original_context_length: int = 4096
    aux_loss: float = 0.9  # of unbalanced routers
    init_std: float = 0.02

    @classmethod
    def tiny(cls) -> Config:
        """The same architecture at toy size."""
        return cls(
            vocab_size=61,
            context_length=32,
            d_model=32,
            layers=2,
            heads=4,
            kv_heads=2,
            head_dim=8,
            windows=(5, 2**30),
            experts=4,
            active_experts=2,
            expert_d_ff=16,
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
    exponents = torch.arange(0, config.head_dim, 2, device=positions.device) / config.head_dim
    frequencies = config.rope_theta**-exponents  # angle per position of each pair of dimensions
    # YaRN (arXiv:2309.00071, section 3.2): pairs that turn often in the original context are
    # kept, slow ones are slowed down further, and those between are blended.
    per_turn = config.rope_original_context_length / (2 * math.pi)
    slots = config.head_dim / (2 * math.log(config.rope_theta))
    first = slots * math.log(per_turn / config.rope_beta_fast)
    last = slots * math.log(per_turn / config.rope_beta_slow)
    first, last = max(first, 0), min(last, config.head_dim - 1)
    pairs = torch.arange(config.head_dim // 2, device=positions.device)
    slowed = ((pairs - first) / (last - first or 0.001)).clamp(0, 1)
    frequencies = frequencies * (1 - slowed) + frequencies / config.rope_factor * slowed
    angles = (positions[..., None] * frequencies).unsqueeze(-3)  # the same for all heads
    # Scores grow with the stretch, through queries and keys (arXiv:2309.00071, section 3.4).
    scale = 0.1 * math.log(config.rope_factor) + 1
    cos, sin = scale * angles.cos(), scale * angles.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """Turns each pair (x[i], x[i + D / 2]) by the angle of its position."""
    cos, sin = rotary
    return (x * cos + x.roll(x.size(-1) // 2, dims=-1) * sin).type_as(x)


class Attention(nn.Module):
    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.heads, self.head_dim = config.heads, config.head_dim
        self.kv_heads = config.kv_heads
        self.window = config.windows[layer]
        self.q_proj = nn.Linear(config.d_model, self.heads * self.head_dim)
        self.k_proj = nn.Linear(config.d_model, self.kv_heads * self.head_dim)
        self.v_proj = nn.Linear(config.d_model, self.kv_heads * self.head_dim)
        self.o_proj = nn.Linear(self.heads * self.head_dim, config.d_model)
        self.sinks = nn.Parameter(torch.zeros(self.heads))

    def forward(self, x: Tensor, rotary: Rotary, cache: LayerCache | None = None) -> Tensor:
        batch, time, _ = x.shape
        q = self.q_proj(x).view(batch, time, self.heads, self.head_dim)
        k = self.k_proj(x).view(batch, time, self.kv_heads, self.head_dim)
        v = self.v_proj(x).view(batch, time, self.kv_heads, self.head_dim)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)  # (B, H, T, D)
        q, k = rotate(q, rotary), rotate(k, rotary)
        if cache is not None:
            k, v = cache.store(k, v)
        if cache is None or cache.seen is None:
            y = attention(q, k, v, self.window, self.sinks)
        else:
            y = cached_attention(q, k, v, cache.seen, self.sinks)
        return self.o_proj(y.transpose(1, 2).reshape(batch, time, -1))  # (B, T, C)

    def new_cache(self, batch: int, length: int) -> LayerCache:
        return LayerCache(
            batch, self.kv_heads, min(length, self.window), self.head_dim, self.q_proj.weight
        )


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


class Experts(nn.Module):
    """MLPs side by side: their weights are stacked along the first axis."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        experts, d_model, d_ff = config.experts, config.d_model, config.expert_d_ff
        self.beta = config.activation_beta
        self.clamp = config.mlp_clamp
        self.up_offset = config.up_offset
        self.gate_proj = nn.Parameter(torch.empty(experts, d_ff, d_model))
        self.up_proj = nn.Parameter(torch.empty(experts, d_ff, d_model))
        self.down_proj = nn.Parameter(torch.empty(experts, d_model, d_ff))
        self.gate_proj_bias = nn.Parameter(torch.empty(experts, d_ff))
        self.up_proj_bias = nn.Parameter(torch.empty(experts, d_ff))
        self.down_proj_bias = nn.Parameter(torch.empty(experts, d_model))

    def forward(self, x: Tensor, experts: Tensor) -> Tensor:
        """Rows x (M, C), sorted by their experts (M,), each through its own."""
        numbers = torch.arange(len(self.up_proj), device=x.device)
        ends = torch.searchsorted(experts, numbers, right=True, out_int32=True)
        gate = grouped_linear(x, self.gate_proj, ends) + self.gate_proj_bias[experts]
        up = grouped_linear(x, self.up_proj, ends) + self.up_proj_bias[experts]
        gate = gate.clamp(max=self.clamp)
        up = up.clamp(-self.clamp, self.clamp)
        h = gate * torch.sigmoid(self.beta * gate) * (up + self.up_offset)
        return grouped_linear(h, self.down_proj, ends) + self.down_proj_bias[experts]


class MoE(nn.Module):
    """A mixture of experts: each token goes through its active ones."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.active = config.active_experts
        self.router = nn.Linear(config.d_model, config.experts)
        self.experts = Experts(config)

    def route(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The weights and numbers (N, K) of the experts of tokens (N, C)."""
        logits = self.router(x)  # (N, E)
        if self.training:
            self.logits = logits  # for the loss
        logits, experts = logits.float().topk(self.active)
        weights = F.softmax(logits, dim=-1)
        return weights.type_as(x), experts

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(0, 1)  # (N, C)
        weights, experts = self.route(tokens)
        chosen, order = experts.flatten().sort(stable=True)  # (N * K,)
        y = self.experts(tokens[order // self.active], chosen)
        y = torch.empty_like(y).index_copy(0, order, y)  # back in the order of tokens
        y = torch.einsum("nk,nkc->nc", weights.type_as(y), torch.unflatten(y, 0, weights.shape))
        return y.view_as(x)


class Block(nn.Module):
    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.d_model, eps=config.norm_eps)
        self.attention = Attention(config, layer)
        self.mlp_norm = nn.RMSNorm(config.d_model, eps=config.norm_eps)
        self.mlp = MoE(config)

    def forward(self, x: Tensor, rotary: Rotary, cache: LayerCache | None = None) -> Tensor:
        x = x + self.attention(self.attention_norm(x), rotary, cache)
        return x + self.mlp(self.mlp_norm(x))


class LayerCache:
    """Keys and values of one layer, in a ring: position p lies in slot p % slots."""

    slots: Tensor  # (B, T) that new tokens take
    seen: Tensor | None = None  # (B, 1, T, S) keys that they see; None: a prompt, which sees itself
    positions: Tensor  # (B, 1, T, 1) of new tokens
    held: Tensor  # (B, 1, 1, S) positions of the keys; negative: none
    source: Tensor | None = None  # (B, 1, S, 1) which keys stay, where new tokens share slots

    def __init__(self, batch: int, heads: int, slots: int, head_dim: int, like: Tensor) -> None:
        self.rows = torch.arange(batch, device=like.device)[:, None]
        self.keys = like.new_zeros(batch, heads, slots, head_dim)  # (B, H, S, D)
        self.values = torch.zeros_like(self.keys)

    def holding(self, lengths: Tensor) -> Tensor:
        """The position in each slot of rows of `lengths`; negative: none. (B, 1, 1, S)"""
        last = (lengths - 1)[:, None, None, None]
        slots = torch.arange(self.keys.size(2), device=lengths.device)
        return last - (last - slots) % self.keys.size(2)

    def begin(self, lengths: Tensor, time: int) -> None:
        """Before prompts of `lengths`, padded to `time`, of which the last tokens stay."""
        self.seen = None
        self.source = self.holding(lengths).clamp(min=0, max=time - 1).transpose(2, 3)

    def append(self, positions: Tensor, lengths: Tensor) -> None:
        """Before tokens at `positions` (B, T) whose slots nobody else of them sees."""
        self.source = None
        self.slots = positions % self.keys.size(2)
        ends = lengths[:, None] - 1  # where padding stands, or it might see nothing, which is NaN
        self.positions = torch.minimum(positions, ends)[:, None, :, None]
        self.held = self.holding(lengths)
        self.seen = (self.held >= 0) & (self.held <= self.positions)

    def append_beside(self, positions: Tensor, lengths: Tensor) -> None:
        """Before tokens at `positions` (B, T) that see the ring as it was, and each other."""
        slots = torch.arange(self.keys.size(2), device=positions.device)
        new = positions[:, None, None]  # (B, 1, 1, T)
        source = self.holding(lengths) - new[..., :1]  # among the new ones; negative: it stays
        source = torch.where(source < 0, slots, source + self.keys.size(2))
        self.source = source.transpose(2, 3)
        self.positions = positions[:, None, :, None]
        self.held = torch.cat((self.holding(positions[:, 0]), new), dim=-1)
        near = self.held > self.positions - self.keys.size(2)
        self.seen = (self.held >= 0) & (self.held <= self.positions) & near

    def store(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Keeps keys and values of new tokens (B, H, T, D); all those that they may see."""
        return self.keep(self.keys, k), self.keep(self.values, v)

    def keep(self, kept: Tensor, new: Tensor) -> Tensor:
        """Puts what is new into its slots; what new tokens may see of it all."""
        if self.source is None:
            kept[self.rows, :, self.slots] = new.transpose(1, 2).type_as(kept)
            return kept
        if self.seen is not None:
            new = torch.cat((kept, new), dim=2)  # (B, H, S + T, D)
        kept.copy_(new.gather(2, self.source.expand_as(kept)))
        return new


class Cache:
    """What decoding remembers of a batch of sequences; each row has a length of its own."""

    def __init__(self, layers: list[LayerCache], batch: int, length: int, rotary: Rotary) -> None:
        self.layers = layers
        self.length = length  # tokens that a row may have
        self.used: int | None = 0  # tokens in the longest row; None: to be counted
        self.lengths = torch.zeros(batch, dtype=torch.int64, device=layers[0].keys.device)
        self.rows = torch.arange(batch, device=self.lengths.device)[:, None]
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
            layer.begin(self.lengths, time)

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
        for layer in self.layers:
            if layer.keys.size(2) >= self.length or (time == 1 and lengths is None):
                layer.append(positions, self.lengths)
            else:
                layer.append_beside(positions, self.lengths)
        return positions

    def truncate(self, lengths: Tensor) -> None:
        """Takes longer rows back to `lengths` (B,): forgets wrong guesses, keeps a prompt.

        Where a ring is overwritten there is no way back.
        """
        slots = min(layer.keys.size(2) for layer in self.layers)
        if slots < int(self.lengths.max()):
            raise ValueError(f"no way back from over {slots} tokens: a window forgets what it left")
        check("lengths", lengths, self.lengths.shape, self.rows, range(self.length + 1))
        self.lengths, self.used = torch.minimum(self.lengths, lengths), None


class Model(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = nn.RMSNorm(config.d_model, eps=config.norm_eps)
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)

    @torch.no_grad()
    def init_weights(self) -> None:
        """Draws every weight from N(0, init_std^2), except:

        biases             zero
        norm weights       one
        o_proj, down_proj  init_std / sqrt(2 * layers) (GPT-2, section 2.3)
        """
        residual_std = self.config.init_std / math.sqrt(2 * self.config.layers)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif name.endswith("norm.weight"):
                nn.init.ones_(parameter)
            elif name.endswith(("o_proj.weight", "down_proj")):
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
        In training router_loss() is added to the mean, and to it alone: it is no sum over targets.
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
        if self.training and reduction == "mean":
            loss = loss + self.router_loss()
        return loss.view_as(targets) if reduction == "none" else loss

    @torch.no_grad()
    def router_loads(self) -> Tensor:
        """How many tokens of the last batch have each expert among their likeliest. (E,)

        Over all layers; summed over the parts of a batch they are what router_loss() reads.
        """
        routed = [m for m in self.modules() if isinstance(m, MoE)]
        logits = torch.cat([moe.logits for moe in routed]).float()  # (L * N, E)
        chosen = logits.topk(routed[0].active).indices
        return torch.zeros_like(logits).scatter(-1, chosen, 1.0).sum(0)

    def router_loss(self, loads: Tensor | None = None) -> Tensor:
        """What the routers' last choices cost, over the tokens of all layers.

        aux_loss * E * the sum over experts of the part of tokens that choose it times its mean
        probability (arXiv:2101.03961, section 2.2).

        loads (E,): of a whole batch, where the last was a part of it; the costs of its parts add up
        to that of the whole.
        """
        routed = [m for m in self.modules() if isinstance(m, MoE)]
        logits = torch.cat([moe.logits for moe in routed]).float()  # (L * N, E)
        if loads is None:
            loads = self.router_loads()
        tokens = loads.sum() / routed[0].active  # of all layers
        probabilities = F.softmax(logits, dim=-1).sum(0)  # (E,)
        balance = logits.size(-1) * (loads / tokens * probabilities / tokens).sum()
        return self.config.aux_loss * balance

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
