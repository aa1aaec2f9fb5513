"""The host's network as the system tells it, and as files of other systems would."""

from pathlib import Path

from gateway.servers.host import SystemNetwork

ROUTE = """Iface\tDestination\tGateway\tFlags
eth0\t00000000\t010200C0\t0003
eth0\t000200C0\t00000000\t0001
"""
ROUTE6 = f"{'0' * 32} 00 {'0' * 32} 00 {'20010db8' + '0' * 23 + '1'} 00000400 00000001 00000000 00000003 eth0\n"


def tree(root: Path) -> SystemNetwork:
    for path, text in {
        "proc/net/route": ROUTE,
        "proc/net/ipv6_route": ROUTE6,
        "etc/resolv.conf": "# x\nsearch example.org .\nnameserver 192.0.2.53\nnameserver nonsense\nnameserver\n",
        "sys/class/net/lo/address": "00:00:00:00:00:00\n",
        "sys/class/net/lo/mtu": "65536\n",
        "sys/class/net/lo/speed": "-1\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return SystemNetwork(root)


def test_gateways_and_name_servers_are_read(tmp_path: Path) -> None:
    network = tree(tmp_path)
    assert network.gateways() == ("192.0.2.1", "2001:db8::1")
    assert network.dns_servers() == ("192.0.2.53",)
    assert network.search_domains() == ("example.org",)


def test_what_is_missing_is_empty(tmp_path: Path) -> None:
    network = SystemNetwork(tmp_path)
    assert (network.gateways(), network.dns_servers(), network.search_domains()) == ((), (), ())


def test_interfaces_of_this_host_include_the_loopback(tmp_path: Path) -> None:
    loopback = next(item for item in tree(tmp_path).interfaces() if item.loopback)
    assert ("127.0.0.1", 8) in loopback.ipv4
    assert (loopback.mac, loopback.mtu, loopback.speed) == ("", 65536, 0)
    assert SystemNetwork().hostname()
