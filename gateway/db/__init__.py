"""The only home of the database: users, what clients have set, the identity, the audit, and what is recorded where."""

from gateway.db.added_cameras import AddedCamera
from gateway.db.audit import COMMAND_LINE, AuditEntry, AuditLog, AuditTrail
from gateway.db.catalogue import Catalogue
from gateway.db.database import Database, open_database
from gateway.db.events import EventStore
from gateway.db.identity import load_identity

__all__ = [
    "COMMAND_LINE",
    "AddedCamera",
    "AuditEntry",
    "AuditLog",
    "AuditTrail",
    "Catalogue",
    "Database",
    "EventStore",
    "load_identity",
    "open_database",
]
