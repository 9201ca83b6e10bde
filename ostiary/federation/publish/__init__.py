"""Metadata out: descriptors from the model, signed documents, and what a metadata service answers."""
