"""Addresses at which a camera can call us: ports that the gateway serves for drivers."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol


class Callbacks(Protocol):
    """Hands out addresses of the gateway's web server. They need no login; nobody can guess them."""

    def open(self, peer: str, take: Callable[[bytes], None]) -> AbstractAsyncContextManager[str]:
        """Return an asynchronous context around a URL, which answers until the context ends.

        `peer` is the camera's host; the URL has the address of ours that is nearest to it. `take` is called on the
        event loop with the body of each POST, must not block, and bodies are at most 128 KiB. Entering raises
        GatewayError: UNAVAILABLE when the gateway does not listen where the peer could reach it, LIMIT when too many
        are open.
        """
        ...
