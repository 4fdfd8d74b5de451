"""Numbers that may differ by layer: what each is, and the config fields that hold them."""
