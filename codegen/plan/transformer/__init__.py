"""The transformer family, lowered."""
