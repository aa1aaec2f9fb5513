"""The only home of the database: users, what clients have set, the identity and the audit."""

from gateway.db.audit import AuditEntry, AuditLog
from gateway.db.database import Database, open_database
from gateway.db.identity import load_identity

__all__ = ["AuditEntry", "AuditLog", "Database", "load_identity", "open_database"]
