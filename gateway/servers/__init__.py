"""Sockets. Glue only."""
