"""What others call the fields and words that specs of all families have."""

from __future__ import annotations

from codegen.spec.synonyms import Synonyms

TASK_WORDS = {
    "causal-lm": "clm lm language_model language_modeling language_modelling text_generation gpt "
    "causal autoregressive next_token causal_language_modeling causallm generation",
    "chat": "sft instruction_tuning instruct supervised_finetuning instructions chat_tuning "
    "conversational conversation",
    "preference": "dpo preferences preference_tuning direct_preference_optimization rlhf "
    "preference_optimization",
    "masked-lm": "masked mlm fill_mask masked_language_modeling maskedlm bert denoising_lm",
    "seq2seq-lm": "translation summarization seq2seq text2text encoder_decoder nmt "
    "text2text_generation machine_translation summarisation translate t5",
    "image-classification": "classification image_classifier imagenet vision cifar mnist",
    "sequence-classification": "classification text_classification sentiment sentiment_analysis "
    "nli document_classification zero_shot_classification",
    "tagging": "token_classification ner pos pos_tagging named_entity_recognition "
    "sequence_labeling sequence_tagging",
    "embedding": "sentence_similarity feature_extraction retrieval text_embedding "
    "sentence_embedding embeddings similarity",
    "image-embedding": "contrastive simclr image_feature_extraction self_supervised",
    "image-segmentation": "segmentation semantic_segmentation",
    "super-resolution": "sr upscaling sisr image_super_resolution",
    "image-to-image": "denoising restoration img2img deblurring image_restoration",
    "image-generation": "gan generation image_synthesis unconditional_image_generation",
    "image-translation": "cyclegan pix2pix unpaired_translation",
    "regression": "tabular_regression",
    "classification": "tabular_classification tabular",
}

OF_EVERY_SPEC = Synonyms(
    fields={
        "name": "model_name title",
        "family": "kind_of_model architecture_type model_type",
        "model": "architecture net network",
        "data": "dataset datasets data_config",
        "data.tokenizer": "tokenizer_type tokenizer_name tokenization vocab_file tokenizer_path",
        "target": "hardware platform",
        "target.device": "accelerator device_type",
        "target.arch": "gpu compute_capability sm gpu_arch gpu_name",
        "target.dtype": "precision torch_dtype bf16 fp16 mixed_precision data_type param_dtype",
        "train": "training trainer training_args train_config training_arguments",
        "train.optimizer": "optim opt optimiser optimizer_type optim_type",
        "train.optimizer.lr": "learning_rate max_lr peak_lr base_lr max_learning_rate "
        "peak_learning_rate step_size",
        "train.optimizer.weight_decay": "wd decoupled_weight_decay",
        "train.optimizer.betas": "adam_betas beta1 beta2 adam_beta1 adam_beta2",
        "train.optimizer.eps": "adam_epsilon adam_eps optimizer.epsilon",
        "train.schedule": "lr_scheduler scheduler lr_schedule lr_scheduler_type lr_decay_style "
        "learning_rate_schedule",
        "train.schedule.warmup": "warmup_steps warmup_iters num_warmup_steps lr_warmup_steps "
        "lr_warmup_iters n_warmup_steps schedule.steps",
        "train.schedule.min_lr_ratio": "min_lr min_learning_rate eta_min lr_end min_lr_rate",
        "train.schedule.kind": "schedule.type decay_type schedule.name",
        "train.optimizer.kind": "optimizer.type optimizer.name",
        "train.batch": "batch_size train_batch_size per_device_train_batch_size micro_batch_size "
        "bs micro_batch device_batch_size batchsize per_device_batch_size",
        "train.accumulation": "gradient_accumulation_steps gradient_accumulation grad_accum "
        "accumulate_grad_batches grad_accum_steps accumulation_steps accum_steps",
        "train.steps": "max_steps num_steps max_iters train_steps total_steps num_train_steps "
        "n_steps num_iterations iterations train_iters max_train_steps training_steps total_iters",
        "train.epochs": "num_epochs max_epochs n_epochs num_train_epochs nb_epochs",
        "train.clip": "grad_clip max_grad_norm gradient_clip_val clip_grad_norm clip_grad "
        "gradient_clipping clip_norm gradient_clip grad_norm_clip max_norm gradient_clip_norm",
        "train.validation": "val_split validation_split val_fraction val_ratio valid_split "
        "validation_fraction val_size",
        "train.eval_every": "eval_interval eval_steps val_every val_interval evaluation_steps "
        "val_check_interval validation_every eval_freq validate_every",
        "train.checkpoint_every": "save_steps save_interval save_every checkpoint_interval "
        "ckpt_every save_freq ckpt_interval",
        "train.log_every": "logging_steps log_interval log_steps log_freq log_every_n_steps",
        "train.patience": "early_stopping_patience early_stop_patience early_stopping_rounds",
        "train.seed": "random_seed manual_seed rng_seed",
        "train.label_smoothing": "smoothing label_smoothing_factor",
        "train.ema": "use_ema model_ema",
        "train.ema.decay": "ema_decay model_ema_decay",
        "train.prune": "pruning sparsity sparsify",
        "train.prune.amount": "final_sparsity target_sparsity",
        "train.augment": "augmentation augmentations transforms data_augmentation aug",
        "checkpoint.huggingface": "hf hf_model pretrained pretrained_model hub",
    },
    words={
        "device": {"cuda": "gpu nvidia cuda:0", "hip": "rocm amd", "any": "auto mps metal default"},
        "target": {
            "cuda": "gpu nvidia cuda:0",
            "hip": "rocm amd",
            "any": "auto mps metal default",
        },
        "dtype": {
            "bfloat16": "bf16 torch.bfloat16 bf16_mixed",
            "float32": "fp32 float f32 single torch.float32 32",
        },
        "kernels": {"all": "triton yes", "none": "off pytorch torch no eager"},
        "tokenizer": {
            "file": "bpe wordpiece sentencepiece unigram huggingface hf tiktoken gpt2 spm "
            "byte_level_bpe subword llama bert auto pretrained tokenizer.json",
            "char": "character character_level char_level",
            "byte": "utf8 raw byte_level",
            "word": "whitespace word_level",
        },
        "task": TASK_WORDS,
        "family": {
            "transformer": "gpt llama bert vit decoder encoder attention encoder_decoder lm t5",
            "network": "cnn mlp resnet convnet vgg unet feedforward convolutional conv dense",
            "recurrent": "rnn lstm gru",
            "gan": "dcgan wgan cyclegan pix2pix adversarial",
        },
        "optimizer": {
            "adamw": "adamw_torch adamw_torch_fused fused_adamw adamw_hf",
            "sgd": "momentum nesterov sgdm",
        },
        "schedule": {
            "cosine": "cosine_annealing cosineannealinglr cosine_decay cosine_with_warmup cos "
            "cosine_with_min_lr",
            "linear": "linear_decay linear_with_warmup linear_warmup linearlr",
            "constant": "constant_with_warmup fixed flat none constantlr",
            "step": "multistep multisteplr steplr piecewise step_decay",
            "one_cycle": "onecyclelr",
            "schedule: {kind: linear, decay_fraction: 0.2}": "wsd trapezoidal "
            "warmup_stable_decay trapezoid",
        },
        "loss": {"l1": "mae l1_loss", "l2": "mse l2_loss mse_loss"},
        "augment": {
            "flip": "horizontal_flip hflip random_horizontal_flip mirror randomhorizontalflip",
            "vertical_flip": "vflip random_vertical_flip randomverticalflip",
            "crop": "random_resized_crop randomresizedcrop",
            "shift": "translate random_crop randomcrop pad_and_crop",
            "rotate": "rotation random_rotation randomrotation",
            "jitter": "color_jitter colorjitter colour_jitter",
            "erase": "random_erasing cutout randomerasing",
            "rand_augment": "randaug",
            "trivial_augment": "trivialaugmentwide",
        },
    },
    unsaid={
        "torchrun says how many: docs/training.md": "num_gpus n_gpus world_size nproc ddp fsdp",
        "`--compile` of the package's train.py says it": "compile torch_compile use_compile",
        "`--data` of the package's train.py says it": "data_path train_file data_dir "
        "dataset_name train_data data.path data.file dataset_path",
        "`--out` of the package's train.py says it": "output_dir out_dir save_dir checkpoint_dir",
    },
    mains={"optimizer": "lr", "schedule": "warmup", "ema": "decay", "adversarial": "eps"},
)
