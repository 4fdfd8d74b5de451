# Made from specs/packed_documents.yaml; make it again: tgen build specs/packed_documents.yaml
"""packed_documents: a decoder-only transformer with 12 layers and 153 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
