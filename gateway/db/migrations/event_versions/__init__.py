"""The migrations of past events, one module each, in order."""
