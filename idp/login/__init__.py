"""Finding out who is there: each way of logging in, and how often somebody may try."""
