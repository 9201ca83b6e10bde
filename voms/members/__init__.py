"""A member's life: who she is, whether she may act, and what she has to sign. Groups and roles are elsewhere."""
