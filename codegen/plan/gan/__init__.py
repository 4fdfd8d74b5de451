"""Two networks that train each other, lowered."""
