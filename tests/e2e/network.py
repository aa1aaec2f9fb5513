"""Two network namespaces joined by a cable: the gateway's house, and the LAN where cameras and clients are.

Nothing that binds every address or multicasts reaches the machine's own network. Needs root, or a kernel that lets
users make namespaces.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

HOUSE, LAN = "10.77.0.1", "10.77.0.2"
HOUSE_6, LAN_6 = "fd77::1", "fd77::2"
_ROOT = os.geteuid() == 0


@dataclass(frozen=True, slots=True)
class Place:
    """One namespace, kept by a sleeping process."""

    pid: int

    def __call__(self, *arguments: object) -> list[str]:
        """Return a command that runs there."""
        user = [] if _ROOT else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={self.pid}", *user, "--net", "--", *map(str, arguments)]

    def run(self, *arguments: object, timeout: float = 30.0) -> "subprocess.CompletedProcess[str]":
        """Run a program there to its end."""
        return subprocess.run(self(*arguments), check=False, capture_output=True, text=True, timeout=timeout)

    def start(self, *arguments: object) -> "subprocess.Popen[str]":
        """Start a program there, with its output piped and its log on standard error."""
        return subprocess.Popen(self(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ip(self, command: str) -> None:
        """Configure the place's network."""
        done = self.run("ip", *command.split())
        assert done.returncode == 0, f"ip {command}: {done.stderr}"


@dataclass(frozen=True, slots=True)
class Network:
    house: Place
    lan: Place


@contextmanager
def cabled() -> Iterator[Network]:
    """Lay the cable, and take it away at the end."""
    with ExitStack() as stack:
        user = [] if _ROOT else ["--user", "--map-root-user"]
        house = Place(stack.enter_context(_holder("unshare", *user, "--net")))
        lan = Place(stack.enter_context(_holder(*house("unshare", "--net"))))
        house.ip(f"link add gateway0 type veth peer name lan0 netns {lan.pid}")
        for place, device, address, address6 in (
            (house, "gateway0", HOUSE, HOUSE_6),
            (lan, "lan0", LAN, LAN_6),
        ):
            place.ip("link set lo up")
            place.ip(f"address add {address}/24 dev {device}")
            place.ip(f"address add {address6}/64 dev {device} nodad")
            place.ip(f"link set {device} up")
            place.ip(f"route add 224.0.0.0/4 dev {device}")
        yield Network(house, lan)


@contextmanager
def _holder(*command: str) -> Iterator[int]:
    """Keep a namespace; `cat` ends by itself when the tests are gone."""
    with subprocess.Popen([*command, "sh", "-c", "echo ready; exec cat"], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n", "this system lets us make no network namespaces"
        try:
            yield process.pid
        finally:
            process.stdin.close()
