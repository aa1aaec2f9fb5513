"""What becomes of what clients write: the policy of each client and each kind of setting."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address


class WritePolicy(StrEnum):
    """What to do with a client's write."""

    APPLY = "apply"
    IGNORE = "accept-and-ignore"
    REFUSE = "refuse"


class WriteKind(StrEnum):
    """What is written, as the configuration calls it."""

    VIDEO_ENCODER = "video_encoder"
    IMAGING = "imaging"
    PTZ = "ptz"
    RELAYS = "relays"
    DIGITAL_INPUTS = "digital_inputs"


@dataclass(frozen=True, slots=True)
class ClientRule:
    """The policy of a client, told by its account, its address, or both; None stands for any."""

    user: str | None
    network: IPv4Network | IPv6Network | None
    policies: Mapping[WriteKind, WritePolicy]

    def is_about(self, user: str, address: str) -> bool:
        """Tell whether a client is meant."""
        if self.user is not None and self.user != user:
            return False
        return self.network is None or _within(address, self.network)


@dataclass(frozen=True, slots=True)
class WriteRules:
    """All policies."""

    default: Mapping[WriteKind, WritePolicy]
    """A kind that is missing is applied."""
    clients: tuple[ClientRule, ...] = ()
    """The first one that is about a client and names the kind counts."""

    def policy(self, user: str, address: str, kind: WriteKind) -> WritePolicy:
        """Return what to do with what a client, given by account and IP address, writes."""
        for rule in self.clients:
            if kind in rule.policies and rule.is_about(user, address):
                return rule.policies[kind]
        return self.default.get(kind, WritePolicy.APPLY)


def _within(address: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        return ip_address(address) in network
    except ValueError:
        return False
