"""What single model types need beyond the rules of coverage_sizes.py, as data."""

from __future__ import annotations

from typing import Any

FULL, SLIDING = "full_attention", "sliding_attention"

# Fields of the tiny configuration, by model type; a dictionary goes into the nested configuration.
FIELDS: dict[str, dict[str, Any]] = {
    "bailing_hybrid": {"layer_types": ["linear_attention", FULL] * 2},
    "bamba": {
        "mamba_n_heads": 6,
        "mamba_d_head": 16,
        "mamba_d_state": 8,
        "attn_layer_indices": [1, 3],
        "mamba_chunk_size": 8,
    },
    "blenderbot": {"encoder_layers": 4},
    "codegen": {"n_head": 4, "n_embd": 64},
    "cohere_compass_text": {
        "layer_types": [SLIDING, SLIDING, FULL, SLIDING],
        "rope_parameters": {
            SLIDING: {"rope_type": "default", "rope_theta": 10000.0},
            FULL: {"rope_type": "default", "rope_theta": 50000.0},
        },
        "logit_scale": 0.25,
    },
    "dbrx": {
        "attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 2.0},
        "ffn_config": {"ffn_hidden_size": 40, "moe_num_experts": 8, "moe_top_k": 2},
    },
    "deepseek_v2": {"num_experts_per_tok": 2, "first_k_dense_replace": 1},
    "deit": {"encoder_stride": 8},
    "donut-swin": {"depths": [2, 2], "num_heads": [3, 6], "window_size": 4, "patch_size": 4},
    "dots1": {
        "n_routed_experts": 8,
        "num_experts_per_tok": 2,
        "n_shared_experts": 1,
        "first_k_dense_replace": 1,
        "n_group": 4,
        "topk_group": 2,
    },
    "esm": {"vocab_size": 33, "pad_token_id": 1, "mask_token_id": 32},
    "esmc": {"num_key_value_heads": 6},
    "falcon_h1": {"mamba_d_ssm": 96, "mamba_n_heads": 6, "mamba_d_head": 16, "mamba_d_state": 8},
    "gemma3n": {
        "text_config": {
            "layer_types": [SLIDING, FULL, SLIDING, FULL],
            "activation_sparsity_pattern": [0.0, 0.75, 0.75, 0.75],
            "intermediate_size": 80,
        }
    },
    "gemma3n_text": {
        "layer_types": [SLIDING, FULL, SLIDING, FULL],
        "activation_sparsity_pattern": [0.5, 0.0, 0.0, 0.0],
        "intermediate_size": 80,
    },
    "gemma4": {
        "text_config": {
            "layer_types": [SLIDING, FULL, SLIDING, FULL],
            "global_head_dim": 32,
            "num_kv_shared_layers": 2,
        }
    },
    "gemma4_text": {
        "layer_types": [SLIDING, SLIDING, SLIDING, FULL],
        "global_head_dim": 32,
    },
    "gemma4_unified": {"text_config": {"global_head_dim": 32}},
    "gemma4_unified_text": {
        "layer_types": [SLIDING, SLIDING, SLIDING, FULL],
        "global_head_dim": 32,
        "use_bidirectional_attention": None,
    },
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "granitemoehybrid": {
        "layer_types": [FULL] * 4,
        "mamba_n_heads": 6,
        "mamba_d_head": 16,
        "num_local_experts": 8,
    },
    "hiera": {"image_size": [224, 224]},
    "hrm_text": {"num_hidden_layers": 8},
    "hunyuan_v1_dense": {"head_dim": 16},
    "hunyuan_v1_moe": {"head_dim": 16, "num_experts": 8, "moe_topk": 2},
    "imagegpt": {"n_positions": 64},
    "inkling_text": {"local_layer_ids": None},
    "jamba": {"attn_layer_offset": 1, "attn_layer_period": 2},
    "kimi_linear": {"layer_types": ["linear_attention", FULL] * 2},
    "laguna": {
        "layer_types": [FULL, SLIDING, SLIDING, FULL],
        "num_attention_heads_per_layer": [6, 4, 4, 6],
    },
    "lfm2": {"layer_types": ["conv", FULL] * 2, "block_multiple_of": 16},
    "lfm2_moe": {"layer_types": ["conv", FULL] * 2},
    "lfm3": {"layer_types": ["conv", SLIDING, FULL, "conv"], "head_dim": 16},
    "mamba2": {"num_heads": 6, "head_dim": 16, "n_groups": 2},
    "mimo_v2_flash": {"num_key_value_heads": 1, "head_dim": 24, "v_head_dim": 16},
    "ministral": {"head_dim": 16, "layer_types": [SLIDING, SLIDING, FULL, SLIDING]},
    "mllama": {"cross_attention_layers": [1]},
    "mpnet": {"relative_attention_num_buckets": 32},
    "musicgen": {"decoder": {"vocab_size": 99, "num_codebooks": 2}},
    "musicgen_melody": {"decoder": {"vocab_size": 99, "num_codebooks": 2}},
    "nemotron": {"num_key_value_heads": 2},
    "neomme": {"head_dim": 16},
    "perceiver": {"num_latents": 8, "d_latents": 48, "num_cross_attention_heads": 6},
    "reformer": {
        "axial_pos_shape": [8, 8],
        "axial_pos_embds_dim": [16, 32],
        "attn_layers": ["local", "lsh"] * 2,
    },
    "reformer masked-lm": {"is_decoder": False},
    "siglip2": {"vision_config": {"num_patches": 16, "hidden_size": 32}},
    "squeezebert": {"embedding_size": 48, "intermediate_size": 80, "num_attention_heads": 4},
    "swin": {"depths": [2, 2], "num_heads": [3, 6], "window_size": 4, "patch_size": 4},
    "swinv2": {"depths": [2, 2], "num_heads": [3, 6], "window_size": 4, "patch_size": 4},
    "xlnet": {"d_head": 8},
    "xmod": {"default_language": "en_XX", "languages": ["de_DE", "en_XX"]},
}  # fmt: skip

# What of a type is imported, where that is not all of it and no mapping says so.
PARTS = {"granitemoehybrid": "attention layers"}

# Whose own attention is not the reference: Falcon's adds ALiBi twice.
ATTENTION = {"falcon": "sdpa"}

# The configuration within a model type's own that its class for a task takes.
NESTED = {"musicgen": "decoder", "musicgen_melody": "decoder"}

_MAMBA = "a state-space mixer (Mamba)"
_DELTA = "linear attention (delta net or lightning)"
_SHELL = "inputs of several kinds (a multimodal shell)"
_AUDIO = "an audio encoder"
_CONV = "convolution stages"
_SPARSE = "a sparse indexer that chooses keys"
_STREAMS = "several residual streams (hyper-connections)"

# What types need that no spec can say yet, in every task or in one; the table shows it where no
# mapping file exists.
OUT_OF_REACH: dict[str, str] = {
    "cpmant": "biases by segment",
    "doge": "masks made of values",
    "jetmoe": "experts within attention",
    "axk2": _SPARSE,
    "bailing_hybrid": _DELTA,
    "bamba": _MAMBA,
    "blt": "a byte patcher and three stacks",
    "deepseek_v32": _SPARSE,
    "deepseek_v4": _STREAMS,
    "dots3_note": _SPARSE,
    "dots3_note_text": _SPARSE,
    "falcon_h1": _MAMBA,
    "falcon_mamba": _MAMBA,
    "gemma4_assistant": "keys and values of another model",
    "gemma4_unified_assistant": "keys and values of another model",
    "glm_moe_dsa": _SPARSE,
    "hrm_text": "a recurrent stack of stacks",
    "hy_v4": _STREAMS,
    "inkling2_text": "short convolutions and residual attention",
    "inkling_text": "short convolutions beside attention",
    "jamba": _MAMBA,
    "kimi_linear": _DELTA,
    "longcat_flash": "two attentions a layer and experts that pass through",
    "mamba": _MAMBA,
    "mamba2": _MAMBA,
    "minimax": _DELTA,
    "minimax_m3_vl_text": _SPARSE,
    "musicgen": "several codebooks at a time",
    "musicgen_melody": "several codebooks at a time",
    "nemotron_h": _MAMBA,
    "olmo_hybrid": _DELTA,
    "prophetnet": "n-gram streams",
    "qwen3_5": _DELTA,
    "qwen3_5_moe": _DELTA,
    "qwen3_5_moe_text": _DELTA,
    "qwen3_5_text": _DELTA,
    "qwen3_next": _DELTA,
    "qwen4_exp": _DELTA,
    "qwen4_exp_text": _DELTA,
    "recurrent_gemma": "a gated linear recurrence (RG-LRU)",
    "reformer": "hashed attention and reversible layers",
    "rwkv": "a linear recurrence (RWKV)",
    "xlnet": "two-stream relative attention",
    "xlstm": "a recurrence (xLSTM)",
    "zamba": _MAMBA,
    "zamba2": _MAMBA,
    "zaya": "convolutions within attention",
    # masked language models
    "deberta": "disentangled attention",
    "deberta-v2": "disentangled attention",
    "ultrabert": "a head of two layers",
    "big_bird": "random block-sparse attention",
    "bigbird_pegasus seq2seq-lm": "random block-sparse attention",
    "convbert": "dynamic convolutions",
    "fnet": "a Fourier mixer",
    "funnel": "pooled sequences",
    "ibert": "integer arithmetic",
    "layoutlm": "positions of boxes on a page",
    "longformer": "global attention with projections of its own",
    "luke": "entities beside words",
    "mobilebert": "bottlenecks within layers",
    "mra": "multi-resolution attention",
    "neomme": "positions in two dimensions",
    "nystromformer": "landmark attention",
    "perceiver": "latents that read the input",
    "squeezebert": "grouped convolutions",
    "tapas": "positions in a table",
    "ultravbert": _SHELL,
    "yoso": "sampled attention",
    # encoder-decoders
    "nllb-moe": "experts with a capacity",
    "pegasus_x": "global tokens beside blocks",
    "switch_transformers": "experts with a capacity",
    "encoder-decoder": "two model types joined",
    "nemo_speechlm": _AUDIO,
    "t5gemma2": _SHELL,
    "vibevoice_asr": _AUDIO,
    "voxtral_realtime": _AUDIO,
    # images
    "bit": _CONV,
    "convnext": _CONV,
    "convnextv2": _CONV,
    "cvt": _CONV,
    "dinat": "neighbourhood attention",
    "donut-swin": "shifted windows in stages",
    "efficientnet": _CONV,
    "focalnet": "focal modulation in stages",
    "hgnet_v2": _CONV,
    "hiera": "pooled stages",
    "imagegpt": "pixels as tokens",
    "levit": _CONV,
    "mobilenet_v1": _CONV,
    "mobilenet_v2": _CONV,
    "mobilevit": _CONV,
    "mobilevitv2": _CONV,
    "poolformer": "pooling stages",
    "pp_lcnet": _CONV,
    "pvt": "stages of reduced keys",
    "pvt_v2": "stages of reduced keys",
    "regnet": _CONV,
    "resnet": _CONV,
    "segformer": "stages of reduced keys",
    "shieldgemma2": _SHELL,
    "siglip2": "patches of images of any shape",
    "swiftformer": _CONV,
    "swin": "shifted windows in stages",
    "swinv2": "shifted windows in stages",
    "textnet": _CONV,
    "timm_wrapper": "another library's models",
}

# Those whose `generate` reads a text again where it outgrows the length that LongRoPE extends; with
# others a cache keeps keys turned by the short factors beside those turned by the long ones.
READ_AGAIN = ("phi3", "phimoe")
# RoBERTa's forward counts positions from the padding token on, its `generate` counts them from 0.
OTHER_POSITIONS = (
    *("camembert", "data2vec-text", "roberta", "roberta-prelayernorm"),
    *("xlm-roberta", "xlm-roberta-xl", "xmod"),
)
# Whose cache in transformers gives another text than its own forward, and than `generate` without:
# what they write is the likeliest token after the whole text so far, again and again.
UNCACHED = ("moshi", "phi4_multimodal", *OTHER_POSITIONS)
