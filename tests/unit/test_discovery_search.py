"""What an answer to a Probe says of how to reach the camera."""

import pytest

from gateway.protocols.discovery import Target
from gateway.protocols.discovery_search import reached_at

PATH = "/onvif/device_service"


@pytest.mark.parametrize(
    ("xaddrs", "peer", "first"),
    [
        (("http://192.168.1.64:8000" + PATH,), "10.0.0.7", "http://10.0.0.7:8000" + PATH),
        (("https://camera.invalid" + PATH,), "10.0.0.7", "https://10.0.0.7" + PATH),
        (("http://192.168.1.64/x", "http://10.0.0.7/y"), "10.0.0.7", None),
        (("http://192.168.1.64/x",), "::ffff:10.0.0.7", "http://10.0.0.7/x"),
        (("http://192.168.1.64/x",), "fd00::7", "http://[fd00::7]/x"),
        (("http://192.168.1.64/x",), "fe80::7%eth0", None),
        (("http://[broken/x",), "10.0.0.7", None),
        (("http://h:port/x",), "10.0.0.7", None),
        ((), "10.0.0.7", None),
    ],
)
def test_the_address_that_an_answer_came_from_is_put_in_front(
    xaddrs: tuple[str, ...], peer: str, first: str | None
) -> None:
    added = () if first is None else (first,)
    assert reached_at(Target("urn:uuid:1", xaddrs=xaddrs), peer).xaddrs == (*added, *xaddrs)
