"""The vocabulary of multi-head latent attention."""

from __future__ import annotations

from pydantic import Field

from codegen.spec.head import NotNegative, Vocabulary, Width


class Latent(Vocabulary):
    """Keys and values of all heads from one latent per token (arXiv:2405.04434, section 2.1)."""

    kv_rank: Width = Field(512, description="width of the latent of keys and values")
    q_rank: Width | None = Field(
        None, description="width of the queries' latent; by default they have none"
    )
    nope_dim: Width = Field(128, description="dimensions of a head without positions")
    rope_dim: Width = Field(
        64, description="dimensions with rotary positions; the heads share their keys"
    )
    value_dim: Width = Field(128, description="dimensions of a value head")
    bias: bool = Field(False, description="on the projections to the latents")
    eps: NotNegative | None = Field(
        None, description="of the RMSNorms of the latents; by default that of `norm`"
    )

    @property
    def head_dim(self) -> int:
        """Of queries and keys."""
        return self.nope_dim + self.rope_dim
