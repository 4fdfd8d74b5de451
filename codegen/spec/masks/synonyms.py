"""What other libraries call the atoms and positions of masks."""

from __future__ import annotations

ELSEWHERE = {
    "causal": "autoregressive triangular tril lower_triangular decoder look_ahead subsequent",
    "full": "bidirectional all dense everything noop",
    "window": "sliding_window sliding local swa local_window banded band local_attention",
    "prefix": "prefix_lm prefixlm",
    "document": "doc packed packing document_mask segment segments documents",
    "padding": "pad padding_mask key_padding length lengths",
    "block": "chunk chunked blockwise block_diagonal chunked_attention",
    "sink": "attention_sink attention_sinks streaming",
    "global": "global_attention global_tokens",
    "dilated": "strided stride dilation dilated_window",
}
POSITIONS = {
    "q": "i q_idx query row q_pos q_index",
    "k": "j kv_idx k_idx key col kv k_pos kv_index",
    "h": "head head_idx head_index",
}
