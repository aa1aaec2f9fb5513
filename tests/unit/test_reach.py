"""Where clients may have the gateway send something."""

from ipaddress import ip_network

import pytest

from gateway.domain.reach import Reach


@pytest.mark.parametrize(
    ("address", "client", "permitted"),
    [
        ("192.0.2.9", "198.51.100.1", True),
        ("2001:db8::9", "198.51.100.1", True),
        ("127.0.0.1", "198.51.100.1", False),
        ("::1", "198.51.100.1", False),
        ("::ffff:127.0.0.1", "198.51.100.1", False),
        ("169.254.169.254", "198.51.100.1", False),
        ("::ffff:169.254.169.254", "198.51.100.1", False),
        ("fe80::1", "2001:db8::9", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("169.254.7.7", "127.0.0.1", True),
        ("169.254.7.7", "169.254.1.1", True),
        ("127.0.0.1", "169.254.1.1", False),
        ("239.1.2.3", "127.0.0.1", False),
        ("0.0.0.0", "127.0.0.1", False),  # noqa: S104 - an address that is refused
        ("consumer.example", "127.0.0.1", False),
    ],
)
def test_hosts_of_clients_only(address: str, client: str, permitted: bool) -> None:  # noqa: FBT001 - a parameter
    assert Reach().permits(address, client) is permitted


def test_configured_networks_are_all_there_is() -> None:
    reach = Reach((ip_network("192.0.2.0/24"), ip_network("127.0.0.0/8")))
    permitted = ["192.0.2.9", "::ffff:192.0.2.9", "127.0.0.1"]
    assert [each for each in (*permitted, "198.51.100.1", "::1") if reach.permits(each, "::1")] == permitted
