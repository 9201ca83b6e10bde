"""State that outlives a request. Imports nothing: `stores` and `memory` also live in applications without SQLAlchemy."""
