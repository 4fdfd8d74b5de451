"""Fine-tuning: starting from weights, what is added to them, and what is frozen."""
