"""Metadata in: where it comes from, how it is refreshed, which of it is taken."""
