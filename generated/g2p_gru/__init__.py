# Made from specs/g2p_gru.yaml; make it again: tgen build specs/g2p_gru.yaml
"""g2p_gru: an encoder-decoder of 1 + 1 GRU layers with 777 k parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
