# Made from specs/chat.yaml; make it again: tgen build specs/chat.yaml
"""chat: a decoder-only transformer with 6 layers and 6.52 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
