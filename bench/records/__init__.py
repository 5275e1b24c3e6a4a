"""Records: the JSON lines of measured cases, and their schema."""
