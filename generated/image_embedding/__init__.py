# Made from specs/image_embedding.yaml; make it again: tgen build specs/image_embedding.yaml
"""image_embedding: a vision transformer with 4 layers and 459 k parameters, for embeddings."""

from .model import Config, Model

__all__ = ["Config", "Model"]
