"""What others call the fields and words of two networks that train each other."""

from __future__ import annotations

from codegen.spec.network.synonyms import SYNONYMS as OF_LAYERS
from codegen.spec.synonyms import Synonyms

SYNONYMS = Synonyms(
    fields={
        "model.latent": "latent_dim z_dim nz latent_size noise_dim noise z dim_z latent_channels",
        "model.generator": "gen g netg net_g",
        "model.discriminator": "disc d netd net_d critic",
        "model.label_dim": "label_embedding_dim class_embedding",
        "model.classes": "conditional conditions",
        "train.loss": "criterion gan_loss adversarial_loss gan_mode loss_type",
        "train.loss.kind": "loss.type",
        "train.loss.penalty": "gp lambda_gp gradient_penalty gp_weight gradient_penalty_weight "
        "loss.lambda",
        "train.loss.r1": "r1_gamma r1_penalty",
        "train.loss.smoothing": "label_smoothing",
        "train.loss.l1": "lambda_l1",
        "train.loss.cycle": "lambda_cycle lambda_a cycle_weight",
        "train.loss.identity": "lambda_identity identity_weight",
        "train.critic_steps": "n_critic d_steps disc_steps discriminator_steps critic_iters k "
        "n_dis",
        "train.discriminator_lr": "d_lr lr_d disc_lr lr_disc critic_lr discriminator_learning_rate",
        "train.optimizer.lr": "g_lr lr_g gen_lr generator_lr",
        "train.pool": "train.pool_size train.image_pool",
    },
    words={
        "loss": {
            "bce": "vanilla dcgan cross_entropy bceloss binary_cross_entropy",
            "non-saturating": "ns nsgan logistic standard stylegan",
            "least-squares": "lsgan mse ls l2",
            "wgan-gp": "wgan wasserstein gradient_penalty",
            "hinge": "hinge_loss sagan",
        },
    },
).over(OF_LAYERS)
