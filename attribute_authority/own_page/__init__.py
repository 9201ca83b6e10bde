"""The person's page: what leaves about her, to whom, why, and what she wants instead."""
