"""Bytes to objects and back. Sans-I/O: no asyncio, sockets, time, random or logging."""
