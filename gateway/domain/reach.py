"""Where a client may have the gateway send something: the gateway must not be its way to what it can't reach itself."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address


@dataclass(frozen=True, slots=True)
class Reach:
    """What clients may have the gateway send to."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Only there. Empty: everywhere, but to the gateway's own host and to link-local addresses for those alone who are
    there themselves."""

    def permits(self, address: str, client: str) -> bool:
        """Tell whether a client at an address may have something sent to another address; False for what is none."""
        there, here = _ip(address), _ip(client)
        if there is None or there.is_multicast or there.is_unspecified:
            return False
        if self.networks:
            return any(there in network for network in self.networks)
        own = here is not None and (here.is_loopback or (here.is_link_local and there.is_link_local))
        return own or not (there.is_loopback or there.is_link_local)

    def is_near(self, client: str) -> bool:
        """Tell whether a client is on the gateway's own host or link-local, and so may reach more than others."""
        here = _ip(client)
        return not self.networks and here is not None and (here.is_loopback or here.is_link_local)


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address; one of IPv4 written as IPv6 is of IPv4, so that nobody gets round a network of IPv4."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
