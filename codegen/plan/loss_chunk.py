"""How much of the logits a loss over a vocabulary holds at one time."""

from __future__ import annotations

NUMBERS = 2**24  # 64 MB in float32


def loss_chunk(vocab_size: int) -> int:
    """Tokens whose logits fill that: a power of two from 512, for speed, to 8192."""
    fits = max(1, NUMBERS // vocab_size)
    return min(8192, max(512, 1 << (fits.bit_length() - 1)))
