"""What the figures of the paper's experiments are drawn with."""
