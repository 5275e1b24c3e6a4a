"""Define the suite that asv runs over the project's history: thin classes over the harness, never a second one."""
