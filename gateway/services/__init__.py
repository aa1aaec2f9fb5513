"""What the system does: asyncio with injected ports; no sockets, SQL, XML or codecs."""
