"""Where RTP begins: random, as RFC 3550 §5.1 wants."""

import secrets


def new_ssrc() -> int:
    """Return a synchronisation source."""
    return secrets.randbits(32)


def new_sequence() -> int:
    """Return a first sequence number."""
    return secrets.randbits(16)
