"""Compute by formula what a gradient costs: floating-point operations, bytes, and the chunk length K they suggest."""
