"""Reads the cameras' sockets: at once while little comes, and every few milliseconds, all together, while much does.

To be woken costs nearly as much for one packet as for the frames of several cameras, and on a real network a frame
comes in a dozen packets.
"""

import asyncio
import logging
import os
import select
from collections.abc import Callable
from typing import Final

TOGETHER: Final = 0.005
"""Seconds between reads, where cameras' turns would come closer together than that."""
_WINDOW: Final = 0.1
"""Seconds over which turns are counted."""

_log = logging.getLogger(__name__)


class Poll:
    """The sockets of all cameras of one event loop. A camera's turn lasts until another one's packets come."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        """When the sockets are read next; None while the loop watches them."""
        self._last = -1
        """Whose turn it is."""
        self._turns = 0
        self._since = loop.time()
        """Since when they have been counted."""
        self._busy = False

    def __bool__(self) -> bool:
        return bool(self._readers)

    def add(self, fd: int, read: Callable[[], None]) -> None:
        """Have a function called when there is something to read."""
        self._readers[fd] = read
        self._epoll.register(fd, select.EPOLLIN)
        if self._timer is None:
            self._loop.add_reader(fd, self._told, fd)

    def remove(self, fd: int) -> None:
        """Read a socket, still open, no more."""
        del self._readers[fd]
        self._epoll.unregister(fd)
        if self._timer is None:
            self._loop.remove_reader(fd)

    def close(self) -> None:
        """Stop for good; all sockets have been removed."""
        if self._timer is not None:
            self._timer.cancel()
        self._epoll.close()

    def _told(self, fd: int) -> None:
        self._take(fd)
        if self._is_busy() and self._readers:
            for each in self._readers:
                self._loop.remove_reader(each)
            self._timer = self._loop.call_later(TOGETHER, self._due)

    def _due(self) -> None:
        for fd, _ in self._epoll.poll(0):
            self._take(fd)
        if not self._readers:
            return
        if self._is_busy():
            self._timer = self._loop.call_later(TOGETHER, self._due)
        else:
            self._timer = None
            for fd in self._readers:
                self._loop.add_reader(fd, self._told, fd)

    def _is_busy(self) -> bool:
        """Tell whether turns came closer together than `TOGETHER`, when they were last counted."""
        now = self._loop.time()
        if (elapsed := now - self._since) >= _WINDOW:
            self._busy = self._turns * TOGETHER > elapsed
            self._since, self._turns = now, 0
        return self._busy

    def _take(self, fd: int) -> None:
        if fd != self._last:
            self._last = fd
            self._turns += 1
        read = self._readers.get(fd)
        try:
            if read is not None:
                read()
        except Exception:  # noqa: BLE001 - one camera's trouble is no other's
            _log.exception("what a camera sent can't be taken")


_polls: dict[asyncio.AbstractEventLoop, Poll] = {}


def add_reader(fd: int, read: Callable[[], None]) -> Callable[[], None]:
    """Have a function called by the running loop when a socket has something to read; return what ends that.

    The socket may belong to a transport that does not read.
    """
    loop = asyncio.get_running_loop()
    own = os.dup(fd)  # the loop watches no descriptor of a transport
    if loop not in _polls:
        _polls[loop] = Poll(loop)
    poll = _polls[loop]
    poll.add(own, read)

    def remove() -> None:
        nonlocal own
        if own < 0:
            return
        poll.remove(own)
        os.close(own)
        own = -1
        if not poll:
            poll.close()
            del _polls[loop]

    return remove
