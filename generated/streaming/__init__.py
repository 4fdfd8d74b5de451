# Made from specs/streaming.yaml; make it again: tgen build specs/streaming.yaml
"""streaming: a decoder-only transformer with 12 layers and 125 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
