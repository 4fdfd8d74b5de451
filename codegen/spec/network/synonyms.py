"""What torch, Keras and timm call layers of plain networks, their fields and their words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from codegen.spec.close_words import close_word, suggestion
from codegen.spec.synonyms import Synonyms, meanings

ACTIVATIONS = {
    "silu": "swish",
    "gelu_tanh": "gelu_new gelu_pytorch_tanh gelu_approx",
    "hardswish": "hswish hard_swish h_swish",
    "hardsigmoid": "hsigmoid hard_sigmoid h_sigmoid",
    "leaky_relu": "lrelu leaky",
    "none": "linear identity",
}
NORMS = {
    "batch": "batchnorm batchnorm1d batchnorm2d batch_normalization bn frozenbatchnorm2d",
    "layer": "layernorm layernorm2d layer_normalization ln",
    "group": "groupnorm group_normalization gn",
    "instance": "instancenorm instancenorm1d instancenorm2d instance_normalization",
    "rms": "rmsnorm rms_normalization",
    "response": "grn globalresponsenorm global_response_norm",
}
LAYERS = {
    "conv": "conv2d convolution convolution2d convlayer conv_layer lazyconv2d",
    "conv: {kernel: 3}": "conv3x3 conv_3x3",
    "conv: {kernel: 1}": "conv1x1 conv_1x1 pointwise pointwise_conv",
    "conv: {transposed: true}": "convtranspose2d conv2dtranspose convtranspose deconv "
    "deconvolution deconv2d transposed_conv conv_transpose upconv",
    "conv: {groups: depthwise}": "depthwiseconv2d depthwise_conv depthwise dwconv",
    "linear": "dense fc fully_connected lazylinear affine head classifier logits",
    **{f"norm: {kind}": words for kind, words in NORMS.items()},
    **{kind: words for kind, words in ACTIVATIONS.items() if kind != "none"},
    "max_pool": "maxpool2d maxpooling2d maxpooling max_pooling pool2d",
    "max_pool: {size: n}": "adaptivemaxpool2d adaptive_max_pool",
    "mean_pool": "avgpool2d avgpool averagepooling2d avg_pooling average_pool average_pooling "
    "adaptiveavgpool2d adaptiveavgpool adaptive_avg_pool adaptive_avg_pool2d "
    "globalaveragepooling2d globalavgpool global_average_pooling global_avg_pool global_pool gap "
    "globalaveragepool",
    "dropout": "dropout2d dropout1d spatialdropout2d",
    "drop_path": "stochasticdepth stochastic_depth",
    "upsample": "upsampling upsampling2d interpolate upsamplingnearest2d "
    "upsamplingbilinear2d resize",
    "pixel_shuffle": "depth_to_space subpixel",
    "pixel_unshuffle": "space_to_depth",
    "flatten": "view squeeze",
    "attention": "multiheadattention self_attention mha attn",
    "scale": "layerscale layer_scale",
    "residual": "skip skip_connection shortcut res_block residual_block identity_block",
    "concat": "cat concatenate",
    "add": "sum plus",
    "multiply": "mul",
    "split": "chunk",
    "gate": "se squeeze_excitation squeeze_excite se_block",
}
NO_WORD_FOR = {
    "an activation is a layer itself, such as `relu`": "activation act nonlinearity",
    "cells that read a text are of `family: recurrent`": "lstm gru rnn",
    "tables of tokens are of `family: transformer` and `family: recurrent`": "embedding",
    "layers stand in a list, one after the other": "sequential modulelist module_list",
    "padding is a field of the layer that follows": "zeropad2d zeropadding2d reflectionpad2d "
    "replicationpad2d",
    "what nothing changes needs no layer": "identity",
}

CALL = re.compile(r"(?:\w+\.)*(\w+)(?:\(.*\))?")  # `nn.Conv2d(3, 64)`

SYNONYMS = Synonyms(
    fields={
        "width": "out_channels out_features filters num_filters n_filters units out_planes planes "
        "conv.channels conv.features linear.features linear.out linear.size linear.out_dim "
        "out_dim nout num_outputs",
        "kernel": "kernel_size ksize filter_size pool_size window",
        "padding": "pad paddings",
        "dilation": "dilation_rate",
        "bias": "use_bias",
        "groups": "num_groups",
        "norm": "norm_layer normalization normalizer batch_norm batchnorm use_bn bn",
        "activation": "act act_layer activation_fn nonlinearity",
        "rate": "p prob drop_prob drop_rate dropout_rate",
        "factor": "scale_factor upscale_factor downscale_factor",
        "heads": "num_heads n_heads nhead",
        "ceil": "ceil_mode",
        "count_padding": "count_include_pad",
        "slope": "negative_slope leaky_relu.alpha",
        "eps": "epsilon",
        "shortcut": "downsample",
        "start": "init_values layer_scale_init_value",
        "layers": "modules body sequential",
        "mode": "interpolation",
        "size: n": "output_size",
        "model.layers": "backbone features stages net",
        "model.classes": "num_classes n_classes nb_classes num_labels class_count",
        "model.image": "input_shape input model.inputs",
        "model.image.size": "image_size img_size input_size resolution",
        "model.image.channels": "model.in_channels in_chans model.num_channels model.channels",
        "model.upscale": "scale_factor scale upscale_factor",
        "model.blocks": "block",
    },
    words={
        "activation": ACTIVATIONS,
        "norm": NORMS,
        "of": NORMS,
        "padding": {"same": "auto", "0": "valid none"},
        "padding_mode": {"reflect": "reflection mirror", "replicate": "edge nearest"},
        "mode": {"bilinear": "linear", "bicubic": "cubic"},
        "groups": {"depthwise": "dw"},
        "join": {"concat": "cat concatenate", "add": "sum"},
        "layer": LAYERS,
    },
    unsaid={
        "what comes into a layer says it": "in_channels in_features in_planes inplanes input_dim "
        "in_dim in_ch num_features input_channels",
        "PyTorch's default is taken": "inplace track_running_stats batch_norm_momentum "
        "norm.momentum data_format kernel_initializer",
        "the loss follows from the task": "model.loss criterion",
        **NO_WORD_FOR,
    },
    mains={"conv": "width", "linear": "width"},
)


def layer_hint(given: str, known: Sequence[str]) -> str | None:
    """Which layer, of the language or of the model's own, a word may mean."""
    called = CALL.fullmatch(given)
    if called and called[1] != given:
        return _called(called[1], known)
    meant = meanings(LAYERS, given)
    if meant and given not in meant:
        one = meant[0]
        return f"say `{one}`" if ": " in one else f"did you mean `{one}`?"
    return suggestion(given, known) or next(iter(meanings(NO_WORD_FOR, given)), None)


def _called(given: str, known: Sequence[str]) -> str | None:
    """`nn.Conv2d(64)`: a layer is no call, and has no module before it."""
    meant = next(iter(meanings(LAYERS, given)), None) or close_word(given, known)
    if meant is None:
        return None
    return f"say `{meant}`" if ": " in meant else f"say `{meant}`, or `{meant}: ...`"


def words_called(given: str, known: Sequence[str]) -> tuple[str, ...]:
    """The activations or norms, of those that are known, that a word stands for."""
    meant = (*meanings(ACTIVATIONS, given), *meanings(NORMS, given))
    return tuple(word for word in meant if word in known)
