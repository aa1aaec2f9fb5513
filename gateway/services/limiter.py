"""Slows password guessing down, per address: never per account, so that nobody can lock another out."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

FAILURES, WINDOW = 20, 60.0
"""Failures within so many seconds that block an address: a VMS that tries five to ten defaults stays well below."""

FIRST_BLOCK, LONGEST_BLOCK = 15.0, 300.0
"""Seconds of the first block; each further one lasts twice as long, up to the longest."""

FORGIVEN = 900.0
"""Seconds without a failure after which the next block is a first one again."""

MAX_ADDRESSES = 4096
"""Addresses remembered; the one whose last failure is oldest is forgotten past this."""

_IPV6_SITE = 64


@dataclass(slots=True)
class _Record:
    failures: deque[float] = field(default_factory=lambda: deque(maxlen=FAILURES))
    last: float = 0.0
    blocks: int = 0
    blocked_until: float = 0.0


class FailureLimiter:
    """Counts failed logins per address. `now` is any monotonic time in seconds."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def failed(self, address: str, now: float) -> bool:
        """Count a failure; tell whether it is the one that blocks the address."""
        key = site(address)
        record = self._records.setdefault(key, _Record())
        self._records.move_to_end(key)
        if len(self._records) > MAX_ADDRESSES:
            self._records.popitem(last=False)
        if now - max(record.last, record.blocked_until) > FORGIVEN:
            record.blocks = 0
        record.last = now
        record.failures.append(now)
        if len(record.failures) < FAILURES or now - record.failures[0] > WINDOW:
            return False
        record.blocked_until = now + min(FIRST_BLOCK * 2**record.blocks, LONGEST_BLOCK)
        record.blocks += 1
        record.failures.clear()
        return True

    def succeeded(self, address: str) -> None:
        """Forget an address's failures: it knows a password."""
        self._records.pop(site(address), None)

    def blocked(self, address: str, now: float) -> bool:
        """Tell whether an address must wait."""
        record = self._records.get(site(address))
        return record is not None and now < record.blocked_until


@lru_cache(maxsize=1024)
def site(address: str) -> str:
    """Return whom an address stands for: itself, or its /64 if it is IPv6, since one host has the whole of it."""
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> _IPV6_SITE << _IPV6_SITE))
    return address if parsed is None else str(parsed)


def parse_address(address: str) -> IPv4Address | IPv6Address | None:
    """Return a peer's address without its zone, and as IPv4 if it is mapped into IPv6; None if it is none."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed
