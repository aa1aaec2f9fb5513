"""Alembic migrations; `gateway.db.opening` runs them when the gateway starts."""
