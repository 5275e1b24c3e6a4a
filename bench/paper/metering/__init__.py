"""Time and memory of a gradient, as published and corrected."""
