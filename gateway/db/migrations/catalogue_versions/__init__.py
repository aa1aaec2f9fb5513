"""The catalogue's own migrations, one module each, in order."""
