"""A guess at a mistyped word is a near spelling or nothing: real words of others lead nowhere."""

from __future__ import annotations

from typing import get_args

import pytest

from codegen.spec.close_words import NO_SLIPS, bare, close_word
from codegen.spec.families import FAMILIES, language
from codegen.spec.hints.fields import field_hint
from codegen.spec.hints.places import fields_at
from codegen.spec.network.layers import KINDS
from codegen.spec.transformer.activation import Activation

# Fields of Hugging Face's configs, options of well-known trainers, modules of torch and Keras.
WORDS = """
activation_dropout activation_function adam_beta1 adam_beta2 adam_epsilon add_cross_attention
add_pooling_layer all_reduce alpha amsgrad architectures attention_chunk_size attention_dropout
attention_window attn_implementation attn_pdrop auto_map axis backbone backend batch_first
beam_size beams begin_suppress_tokens block bos_token_id bottleneck bucket_size cache_dir
cache_implementation cap cardinality cell_clip ceil_mode channels_last charset checkpoint_path
chunk_size_feed_forward ckpt_path classifier_dropout codebook_size compile config config_path
conv_bias conv_dim conv_kernel conv_stride cosine cross_attention_hidden_size cudnn_benchmark
data_parallel data_seed dataloader_num_workers dataset_config ddp_backend ddp_timeout debug decay
decoder_start_token_id deepspeed depths deterministic dev dilation disable_tqdm
distributed_backend diversity_penalty do_eval do_sample do_train dout dp drop_last dry_run
early_stopping early_stopping_patience ema embed_init embed_norm encoder_no_repeat_ngram_size
entropy_weight eos_token_id epoch eval_accumulation_steps eval_batch_size eval_data eval_delay
eval_strategy evaluation_strategy expert_parallel exponential_decay_length_penalty fan_in feat_dim
find_unused_parameters fine_tune finetuning_task fold forced_bos_token_id forced_eos_token_id
fp16_opt_level freeze frequency full_determinism gain gamma generation_config global_rank
gradient_checkpointing greater_is_better group_by_length group_size grouped guidance_scale
half_precision_backend hidden_states hub_model_id hub_strategy id2label ignore_index imgs
include_inputs_for_metrics inner_steps is_decoder is_encoder_decoder iter jit jit_mode_eval
keep_prob kl_weight label2id label_names layerdrop layers_to_transform layout learnable
length_column_name length_penalty level lm_head_chunk load_best_model_at_end local_rank log_level
log_on_each_node logging_dir logging_first_step logit loop loss_scale lr_find lr_layer_decay
mask_feature_length mask_id mask_ratio mask_time_prob master_port max_checkpoints
max_epochs_per_phase max_new_tokens mean_pooling memory_efficient metric_for_best_model min_length
mini_batch mode model_class model_id model_path momentum_decay mp_parameters multi_gpu n_best
n_fft n_gpu neftune_noise_alpha negative_prompt no_cuda node_rank noise_std nodes num_beam_groups
num_beams num_mel_bins num_nodes num_processes num_return_sequences num_train_samples num_workers
offload oov optim_args optim_target_modules output_attentions output_hidden_states
overwrite_output_dir pad_token_id padding_idx parallel past_index patience perturb pin_memory
pixel_mean prediction_loss_only prefetch prefix_length preprocessing print_freq problem_type
profile project prompt_length pruned_heads push_to_hub quantization_config queue ray_scope
reduction remove_invalid_values remove_unused_columns repetition_penalty report_to
resume_from_checkpoint return_dict rollout run_name sample_rate sampler sampling_rate
save_on_each_node save_strategy save_total_limit scale_embedding scan_layers scheduler_gamma
seed_everything sep_token_id shard shift_size shuffle skip_memory_metrics slow_tokenizer
smoothing_window spectrogram split_batches squeeze_factor stage start_epoch state_dict stem
suppress_tokens sync_bn tb_log_dir temperature_decay tensor_parallel test test_size tf32
tf_legacy_loss threshold tokens tokenizer_class top_p torchscript tpu_num_cores track
transformers_version typical_p unit unk_token use_fast use_ipex use_mps_device
use_seedable_sampler vae valid verbose wandb wandb_project warm_start weight_norm world workers
xla zero_stage zero_optimization bidirectional bilinear bn1 bias_init conv1 conv1x1 downsample
embedder layer1 maxpool qkv rnnt relu1 AdaptiveLogSoftmax Bilinear CELU CosineSimilarity CTCLoss
Embedding EmbeddingBag Fold GLU Hardshrink Hardtanh KLDivLoss LPPool2d LSTMCell LocalResponseNorm
LogSigmoid LogSoftmax MaxUnpool2d NLLLoss PairwiseDistance ParameterList RReLU RNNCell
SmoothL1Loss Softmin Softplus2 Softshrink Softsign Tanhshrink Threshold TransformerEncoder
TripletMarginLoss Unfold adan adafactor adamax lamb lars lion nadam radam rmsprop rprop shampoo
sophia sparse_adam snake maxout softsign hardtanh celu crelu glu selu2 sine tanhshrink bent
"""
REAL = WORDS.split()

FIELDS = {
    (family, place): (language(family).spec(language(family).tasks[0]), place)
    for family in FAMILIES
    for place in [(), ("model",), ("train",), ("target",), ("train", "optimizer")]
} | {
    ("transformer", place): (language("transformer").spec("seq2seq-lm"), place)
    for place in [
        ("model", "attention"),
        ("model", "attention", "rope"),
        ("model", "mlp"),
        ("model", "mlp", "experts"),
        ("model", "norm"),
        ("model", "embedding"),
        ("model", "encoder"),
        ("data",),
    ]
}


def is_near(given: str, guess: str) -> bool:
    """Whether no more than one letter differs, or two neighbours, written out plainly."""
    pairs = ((given, guess), (bare(given), bare(guess)), (bare(given) + "s", bare(guess)))
    return any(guess == given or guess in _neighbours(given) for given, guess in pairs)


def _neighbours(word: str) -> set[str]:
    letters = "abcdefghijklmnopqrstuvwxyz_"
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    near = {a + b[1:] for a, b in cuts if b} | {a + x + b for a, b in cuts for x in letters}
    near |= {a + x + b[1:] for a, b in cuts if b for x in letters}
    return near | {a + b[1] + b[0] + b[2:] for a, b in cuts if b[1:]}


@pytest.mark.parametrize("key", FIELDS, ids=lambda key: f"{key[0]}: {'.'.join(key[1])}")
def test_real_words_of_others_are_no_slips(key: tuple[str, tuple[str, ...]]) -> None:
    """What they may be called here is knowledge; that a letter slipped is none."""
    model, place = FIELDS[key]
    here = fields_at(model, place)
    wrong = {word: guess for word in REAL if (guess := close_word(word, here))}
    alike = {
        word for word, guess in wrong.items() if bare(word).rstrip("s") == bare(guess).rstrip("s")
    }
    assert {word: wrong[word] for word in wrong.keys() - alike} == {}


def test_real_words_are_taken_for_no_layer_and_no_word() -> None:
    known = {"layers": tuple(KINDS), "activations": get_args(Activation)}
    known |= {"optimizers": ("adamw", "muon", "adam", "sgd"), "masks": ("causal", "full", "window")}
    for what, these in known.items():
        wrong = {
            word: guess
            for word in REAL
            if (guess := close_word(word, these)) and bare(word) != bare(guess)
        }
        assert wrong == {}, what


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_guessed_is_spelled_nearly_so(family: str) -> None:
    """Of each field of each family, and of every letter lost, doubled or swapped in one."""
    model = language(family).spec(language(family).tasks[0])
    for place in [(), ("model",), ("train",)]:
        here = fields_at(model, place)
        for field in here:
            for at in range(1, len(field)):
                lost = field[:at] + field[at + 1 :]
                doubled = field[:at] + field[at] + field[at:]
                for slip in (lost, doubled):
                    guess = close_word(slip, here)
                    assert guess is None or is_near(slip, guess), (slip, guess)
                    if len(field) > 4 and slip not in {*here, *NO_SLIPS}:
                        assert guess == field or sum(is_near(slip, one) for one in here) > 1, slip


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("h100", "sm_100"), ("gpu", "cpu"), ("swish", "mish"), ("swish", "hardswish"),
        ("n_heads", "head"), ("sm_91", "sm_90"), ("mlm", "mlp"), ("task", "mask"),
        ("mode", "cell"), ("selu", "silu"), ("bart", "beit"), ("adan", "adam"), ("patch", "batch"),
        ("gpt3", "gptj"), ("num_attention_heads", "attention"), ("batch_size", "batch"),
        ("tie_word_embeddings", "embedding"), ("num_experts", "experts"), ("xlstm", "lstm"),
    ],
)  # fmt: skip
def test_a_word_is_not_taken_for_another_that_looks_like_it(given: str, known: str) -> None:
    assert close_word(given, [known]) is None


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("hedas", "heads"), ("head", "heads"), ("kvheads", "kv_heads"), ("kv-heads", "kv_heads"),
        ("KV_Heads", "kv_heads"), ("msk", "mask"), ("layrs", "layers"), ("causl", "causal"),
        ("atention", "attention"), ("attentoin", "attention"), ("embeding", "embedding"),
        ("activation", "activations"), ("biases", "biase"), ("LeakyReLU", "leaky_relu"),
        ("rsm", "rms"), ("batches", "batch"), ("vocab_sizee", "vocab_size"), ("sm90", "sm_90"),
    ],
)  # fmt: skip
def test_a_slip_is_seen(given: str, known: str) -> None:
    assert close_word(given, [known, "unlike", "another_one"]) == known


def test_of_two_words_as_near_none_is_guessed() -> None:
    assert close_word("headz", ["head", "heads"]) is None


def test_a_field_of_elsewhere_is_no_slip() -> None:
    """`mode` is a field of `upsample`, and `model` is missing a letter no more than that."""
    model = language("network").spec("image-classification")
    assert "`model`" not in field_hint("mode", (), (), model).partition("known")[0]
