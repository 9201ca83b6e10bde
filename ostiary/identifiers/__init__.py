"""Identifiers that are computed from a person's principal and a secret salt, their syntax, and which of them a requester wants.

Knows no wire format and no store: what names people for a while is `ostiary.handle`.
"""
