"""Runs migrations on the connection that `ostiary.storage.migrate` passes in; never opens a database itself."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
