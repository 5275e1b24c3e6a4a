"""Shows records to people: tables, captions, the report, and foreign text made harmless."""
