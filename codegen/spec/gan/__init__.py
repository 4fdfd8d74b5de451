"""What a spec of two networks that train each other may say."""
