# Made from specs/sentence_embedding.yaml; make it again: tgen build specs/sentence_embedding.yaml
"""sentence_embedding: a transformer that embeds texts with 4 layers and 859 k parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
