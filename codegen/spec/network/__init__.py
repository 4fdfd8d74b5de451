"""What a spec of a network of plain layers may say: one file a kind of layer."""
