"""The alembic environment that all rooms share."""
