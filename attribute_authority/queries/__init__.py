"""Attribute queries and their answers on the wire."""
