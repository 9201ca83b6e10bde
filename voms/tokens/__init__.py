"""What the VO states as a token instead of an attribute certificate: the same Grant, as JWT of the WLCG profile, over OAuth 2."""
