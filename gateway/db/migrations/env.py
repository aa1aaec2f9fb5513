"""Alembic's entry: it runs the migrations on the connection that `gateway.db.opening` hands over."""

from alembic import context

from gateway.db.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite can't alter a column in place
)
context.run_migrations()
