"""What a gradient costs by formula: floating-point operations, bytes, and the chunk length K that they suggest."""
