"""Errors planted in documents, tables and figures."""
