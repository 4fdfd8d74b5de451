# Made from specs/packed_documents.yaml (24a7f9072bbc); make it again with tgen build
"""packed_documents: a decoder-only transformer with 12 layers and 153 M parameters."""

from .model import Config, Model

__all__ = ["Config", "Model"]
