"""Damaged files against the readers: only a verdict may come of them."""
