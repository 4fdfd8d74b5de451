"""Weights divided by their largest singular value: the classes that hold them."""

from __future__ import annotations

DEFINITION = "network/definitions/spectral.py.jinja"
VECTOR = "SingularValue"  # holds what power iteration has come to, which `init_weights` draws
CLASSES = {
    "nn.Conv2d": "SpectralConv2d",
    "nn.ConvTranspose2d": "SpectralConvTranspose2d",
    "nn.Linear": "SpectralLinear",
}
PLAIN = {ours: own for own, ours in CLASSES.items()}
