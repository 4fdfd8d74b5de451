"""What a transformer spec may say, and what no transformer can be."""
