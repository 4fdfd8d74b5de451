"""What others call the fields and words of transformers."""

from __future__ import annotations

from codegen.spec.synonyms import Synonyms

SYNONYMS = Synonyms(
    fields={
        "model.d_model": "hidden_size hidden_dim n_embd n_embed d_embed embed_dim emb_dim dim "
        "model_dim width d_hidden hidden residual_dim",
        "model.layers": "num_hidden_layers n_layer n_layers num_layers layer_count depth n_blocks "
        "num_blocks nlayers decoder_layers",
        "model.encoder.layers": "encoder_layers num_encoder_layers n_encoder_layers",
        "model.encoder.attention.heads": "encoder_attention_heads encoder_heads",
        "model.encoder.mlp.d_ff": "encoder_ffn_dim",
        "model.encoder.vocab_size": "source_vocab_size src_vocab_size",
        "model.vocab_size": "vocab n_vocab num_tokens n_tokens n_words ntoken padded_vocab_size",
        "model.context_length": "max_position_embeddings n_positions n_ctx context block_size "
        "seq_len seq_length sequence_length max_seq_len max_seq_length max_length max_len "
        "context_size context_window model_max_length max_sequence_length",
        "model.attention": "attn self_attn self_attention mha",
        "model.attention.heads": "num_attention_heads n_head n_heads num_heads attention_heads "
        "attn_heads nhead nheads head_count decoder_attention_heads num_query_heads n_q_heads "
        "q_heads",
        "model.attention.kv_heads": "num_key_value_heads n_kv_heads n_kv_head num_kv_heads "
        "key_value_heads n_query_groups num_query_groups gqa_groups",
        "model.attention.head_dim": "head_size d_head dim_head attention_head_dim d_kv "
        "attention.dim kv_channels",
        "model.attention.bias": "attention_bias attn_bias attention.use_bias",
        "model.attention.bias: {q: true, k: true, v: true}": "qkv_bias use_qkv_bias add_qkv_bias",
        "model.attention.qk_norm": "use_qk_norm qk_layernorm qk_layer_norm attention.norm",
        "model.attention.sinks": "attention_sinks attention.sink",
        "model.attention.mask": "attention_mask attn_mask mask_type",
        "model.attention.mask: causal": "is_causal causal",
        "model.attention.mask: causal & window(n)": "sliding_window window window_size "
        "sliding_window_size local_window local_attention attention_window "
        "use_sliding_window",
        "model.attention.softcap": "attn_logit_softcapping attn_softcap logit_softcapping "
        "attention.logit_softcap",
        "model.attention.scale": "attention_multiplier query_pre_attn_scalar attn_scale "
        "softmax_scale sm_scale",
        "model.attention.latent": "mla latent_attention",
        "model.attention.latent.kv_rank": "kv_lora_rank kv_latent_dim",
        "model.attention.latent.q_rank": "q_lora_rank q_latent_dim",
        "model.attention.latent.nope_dim": "qk_nope_head_dim nope_head_dim",
        "model.attention.latent.rope_dim": "qk_rope_head_dim rope_head_dim",
        "model.attention.latent.value_dim": "v_head_dim latent.v_dim",
        "model.attention.rope": "rotary rotary_emb rotary_embedding use_rope rope_parameters",
        "model.attention.rope.theta": "rope_theta rope_base rotary_base rotary_emb_base "
        "rotary_embedding_base rope.base",
        "model.attention.rope.dim": "rotary_dim rope_dim rotary_pct partial_rotary_factor "
        "rotary_percent rope_partial_factor",
        "model.attention.rope.scaling": "rope_scaling rope.type rope.rope_type rope.factor",
        "model.attention.rope.scaling.original_context_length": "original_max_position_embeddings",
        "model.attention.alibi": "use_alibi",
        "kind": "type rope_type scaling.name",
        "model.mlp": "ffn feed_forward feedforward ff",
        "model.mlp.d_ff": "intermediate_size ffn_dim n_inner dim_feedforward ffn_hidden_size "
        "hidden_dim feedforward_dim inner_dim d_inner d_mlp mlp_dim mlp_hidden_size mlp_ratio "
        "ffn_hidden_dim ff_dim mlp.width mlp.dim mlp.hidden_size mlp.hidden_dim mlp.hidden "
        "decoder_ffn_dim expansion_factor",
        "model.mlp.activation": "hidden_act activation_function act_fn hidden_activation "
        "act activation_fn feed_forward_activation nonlinearity mlp.act",
        "model.mlp.bias": "mlp_bias",
        "model.mlp.experts": "moe mixture_of_experts",
        "model.mlp.experts.count": "num_experts num_local_experts n_routed_experts n_experts "
        "moe_num_experts experts.num experts.n expert_count",
        "model.mlp.experts.active": "top_k topk num_experts_per_tok num_experts_per_token "
        "moe_top_k moe_topk moe_k experts_per_token n_experts_per_token num_selected_experts "
        "n_activated_experts active_experts experts.k",
        "model.mlp.experts.d_ff": "moe_intermediate_size expert_dim expert_d_ff "
        "experts.intermediate_size experts.hidden_dim",
        "model.mlp.experts.shared": "n_shared_experts num_shared_experts shared_expert "
        "shared_experts",
        "model.mlp.experts.aux_loss": "router_aux_loss_coef aux_loss_coef load_balancing_loss "
        "aux_loss_alpha load_balance_loss moe_aux_loss_coeff",
        "model.mlp.experts.z_loss": "router_z_loss_coef router_z_loss",
        "model.norm": "normalization normalisation layernorm layer_norm norm_type norm_layer "
        "rmsnorm rms_norm",
        "model.norm.eps": "rms_norm_eps layer_norm_eps layer_norm_epsilon layernorm_epsilon "
        "norm_eps norm_epsilon norm.epsilon",
        "model.norm.placement": "norm_position norm.position pre_norm post_norm norm_first "
        "prenorm do_layer_norm_before",
        "model.final_norm": "pre_norm norm_final final_layernorm final_layer_norm ln_f",
        "model.residual.layout: parallel": "parallel_residual use_parallel_residual "
        "parallel_attn parallel_block",
        "model.blocks": "block block_types block_kinds",
        "model.embedding.tied": "tie_word_embeddings tie_weights tie_embeddings weight_tying "
        "tied_embeddings share_embeddings shared_embeddings tie_embedding share_input_output_embed "
        "embedding.tie head.tied embedding.tying tied_weights",
        "model.embedding.positions": "position_embedding position_embeddings pos_emb pos_embed "
        "positional_encoding pos_encoding position_embedding_type positional_embedding "
        "pos_embedding positional_embeddings position_encoding learned_positions",
        "model.embedding.token_types": "type_vocab_size n_segments num_segments",
        "model.embedding.dim": "embedding_size embedding_dim embedding.size",
        "model.head": "lm_head output_head classifier",
        "model.head.bias": "lm_head_bias",
        "model.head.scale": "model.logit_scale logits_scaling",
        "model.mlp.experts.router.logit_scale": "model.logit_scale",
        "model.head.softcap": "final_logit_softcapping final_softcap logits_soft_cap logit_softcap",
        "model.dropout": "dropout_rate dropout_p dropout_prob drop_rate drop",
        "model.dropout.embedding": "embd_pdrop embd_dropout emb_dropout embedding_dropout "
        "embed_dropout embedding.dropout dropout.embd dropout.emb",
        "model.dropout.attention": "attention_dropout attn_pdrop attention_probs_dropout_prob "
        "attn_dropout attention.dropout attention.attn_dropout dropout.attn",
        "model.dropout.residual": "resid_pdrop hidden_dropout_prob resid_dropout "
        "residual_dropout hidden_dropout mlp.dropout residual.dropout dropout.hidden "
        "dropout.resid",
        "model.drop_path": "drop_path_rate stochastic_depth",
        "model.layer_scale": "layerscale_value layer_scale_init_value init_values",
        "model.init.std": "initializer_range init_std initializer_std init_method_std",
        "model.classes": "num_classes n_classes num_labels nb_classes class_count",
        "model.pooling": "classifier_pooling pooler pooling_mode pooling_type summary_type",
        "model.image.size": "image_size img_size image_resolution resolution input_size",
        "model.image.patch_size": "image.patch patch",
        "model.image.channels": "num_channels in_chans in_channels",
        "model.image.register_tokens": "num_register_tokens n_registers registers",
        "model.image.class_token": "cls_token use_cls_token",
        "train.gradient_checkpointing": "activation_checkpointing checkpoint_activations "
        "use_gradient_checkpointing gradient_checkpoint grad_checkpointing recompute",
        "train.finetune": "lora peft peft_config lora_config",
        "train.finetune.rank": "lora_rank lora_r",
        "train.finetune.alpha": "lora_alpha",
        "train.finetune.dropout": "lora_dropout",
        "train.finetune.targets": "target_modules lora_target lora_targets lora_target_modules",
        "train.finetune.scaling": "use_rslora rslora",
        "train.finetune.train": "modules_to_save lora_modules_to_save",
        "train.finetune.freeze": "frozen freeze_layers",
    },
    words={
        "activation": {
            "silu": "swish silu_and_mul",
            "gelu_tanh": "gelu_new gelu_pytorch_tanh gelu_approx gelu_fast gelu_approximate "
            "gelu_python_tanh newgelu",
            "gelu": "gelu_erf gelu_exact gelu_python gelu_none",
            "relu2": "relu_squared squared_relu relu_sq",
            "quick_gelu": "gelu_quick",
            "identity": "linear none",
            "hardswish": "hswish hard_swish",
            "mlp: {kind: gated, activation: silu}": "swiglu silu_glu",
            "mlp: {kind: gated, activation: gelu}": "geglu gelu_glu",
            "mlp: {kind: gated, activation: gelu_tanh}": "geglu_tanh",
            "mlp: {kind: gated, activation: relu}": "reglu",
            "mlp: {kind: gated, activation: sigmoid}": "glu",
        },
        "mlp": {
            "gated": "gate gated_mlp",
            "plain": "mlp ffn standard dense feed_forward vanilla simple default",
            "mlp: {kind: gated, activation: silu}": "swiglu silu llama silu_glu",
            "mlp: {kind: gated, activation: gelu}": "geglu gelu_glu",
            "mlp: {kind: gated, activation: relu}": "reglu",
            "mlp: {kind: gated, activation: sigmoid}": "glu",
            "mlp: {kind: plain, activation: gelu}": "gelu",
            "mlp: {kind: plain, activation: relu}": "relu",
            "mlp: {experts: {count: 8}}": "moe mixture_of_experts sparse",
        },
        "norm": {
            "layer": "layernorm ln layer_normalization torch.nn.layernorm",
            "rms": "rmsnorm rms_normalization root_mean_square t5norm",
            "norm: {placement: pre}": "pre prenorm preln",
            "norm: {placement: post}": "post postnorm",
            "norm: {placement: sandwich}": "sandwich",
        },
        "qk_norm": {"layer": "layernorm ln", "rms": "rmsnorm"},
        "placement": {
            "pre": "pre_norm preln before first",
            "post": "after",
            "post_residual": "post_norm postln bert",
            "sandwich": "both double",
        },
        "positions": {
            "learned": "absolute learnable trained trainable gpt2 bert embedding",
            "sinusoidal": "sine sincos sinusoid fixed sin_cos",
            "attention: {rope: {}}": "rope rotary relative_rotary",
            "attention: {alibi: true}": "alibi",
            "attention: {relative_bias: {}}": "relative t5 relative_bias",
        },
        "attention": {
            "attention: {latent: {}}": "mla latent multi_head_latent multihead_latent_attention",
            "attention: {kv_heads: 1}": "mqa multi_query",
            "attention: {heads: 12, kv_heads: 4}": "gqa grouped_query grouped",
            "attention: {heads: 12}": "mha multi_head multihead self_attention self standard sdpa",
            "attention: {mask: causal}": "causal",
            "attention: {mask: full}": "bidirectional full",
            "attention: {mask: causal & window(256)}": "sliding sliding_window local window swa",
            "attention: {differential: true}": "diff differential diff_attention",
        },
        "rope": {"rope: {}": "default standard yes on rope rotary true llama"},
        "pairs": {
            "half": "neox rotate_half gpt_neox split",
            "interleaved": "gptj rotate_every_two",
        },
        "scaling": {"dynamic": "ntk dynamic_ntk", "llama3": "llama_3 llama31"},
        "layout": {"sequential": "serial", "parallel": "gptj palm"},
        "pooling": {"class": "cls first", "mean": "avg average gap", "last": "eos last_token"},
        "mixer": {"attention": "self_attention attn", "conv": "convolution short_conv"},
        "scores": {"softmax": "soft_max"},
        "interpolation": {"bicubic": "cubic"},
    },
    unsaid={
        "tgen chooses kernels itself; `target.kernels` can ask for more or for none": "sdpa "
        "use_flash_attn flash_attention attn_implementation flash use_flash_attention use_flash "
        "attention_implementation _attn_implementation",
        "a model keeps keys and values wherever it decodes": "use_cache kv_cache",
        "fields of the decoder are those of `model` itself": "model.decoder",
        "the fields of `mlp` are of each expert, too": "experts.activation experts.kind",
        "a mixture of experts is one field of `mlp`: `experts: {count: 8}`": "use_moe is_moe",
    },
    mains={
        "attention": "heads",
        "cross_attention": "heads",
        "rope": "theta",
        "latent": "kv_rank",
        "norm": "eps",
        "mlp": "d_ff",
        "shared": "d_ff",
        "embedding": "dim",
        "encoder": "layers",
        "init": "std",
        "image": "size",
        "temperature": "scale",
        "relative_bias": "buckets",
        "alibi": "most",
        "altup": "streams",
    },
)
