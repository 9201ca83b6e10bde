"""Consent at sign-on: the page that shows what is about to leave, and a person's own list of what she agreed to."""
