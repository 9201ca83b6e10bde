"""Logging out: here, and at every SP that took part in the session."""
