"""Alembic's entry: it runs the migrations on the connection that `gateway.db.opening` hands over."""

from alembic import context

_attributes = context.config.attributes

context.configure(
    connection=_attributes["connection"],
    target_metadata=_attributes["metadata"],
    version_table=_attributes["version_table"],
    render_as_batch=True,  # SQLite can't alter a column in place
)
context.run_migrations()
