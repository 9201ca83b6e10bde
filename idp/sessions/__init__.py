"""The single sign-on session of a browser."""
