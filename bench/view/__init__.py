"""Records as people read them: tables, captions, the report, and text made harmless."""
