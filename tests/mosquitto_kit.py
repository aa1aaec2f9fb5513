"""A real broker, mosquitto, on ports of its own, and what `mosquitto_sub` prints of it."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from waiting import until

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") or "mosquitto"
"""Debian keeps it where only root looks."""

USER, PASSWORD = "yard", "Sesame-7"
DEADLINE = 20.0


@dataclass
class Mosquitto:
    """One broker with a plain and a WebSocket listener, and both with TLS. It keeps what it must over restarts."""

    folder: Path
    port: int = 0
    tls_port: int = 0
    web_port: int = 0
    secure_web_port: int = 0
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.port, self.tls_port, self.web_port, self.secure_web_port = free_ports(4)
        make_certificates(self.folder)
        make_passwords(self.folder)
        (self.folder / "mosquitto.conf").write_text(
            f"""
user root
allow_anonymous false
password_file {self.folder}/passwords
persistence true
persistence_location {self.folder}/
listener {self.port} 127.0.0.1
listener {self.tls_port} 127.0.0.1
certfile {self.folder}/broker.pem
keyfile {self.folder}/broker.key
listener {self.web_port} 127.0.0.1
protocol websockets
listener {self.secure_web_port} 127.0.0.1
protocol websockets
certfile {self.folder}/broker.pem
keyfile {self.folder}/broker.key
"""
        )

    async def start(self) -> None:
        """Start it; return when it listens."""
        with (self.folder / "log").open("a") as log:
            command = [MOSQUITTO, "-c", str(self.folder / "mosquitto.conf")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220 - milliseconds
        await until(lambda: all(map(_listens, (self.port, self.tls_port, self.web_port, self.secure_web_port))))

    def stop(self) -> None:
        """Stop it; nothing happens when it does not run."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(DEADLINE)
            self.process = None

    @contextlib.asynccontextmanager
    async def listening(self, topic: str = "#", *options: str) -> AsyncIterator["Subscriber"]:
        """Yield a running `mosquitto_sub`, once it has subscribed."""
        subscriber = await Subscriber.start(self.port, topic, *options)
        try:
            yield subscriber
        finally:
            await subscriber.stop()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), DEADLINE).close()
    except ConnectionRefusedError:
        return False
    return True


class Subscriber:
    """A `mosquitto_sub`: prints `RETAINED QOS TOPIC PAYLOAD`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.early: deque[str] = deque()

    @classmethod
    async def start(cls, port: int, topic: str, *options: str) -> "Subscriber":
        """Return one that has subscribed: it says so."""
        login = ("-u", USER, "-P", PASSWORD)
        shape = ("-F", "%r %q %t %p", "-q", "2", "-d")
        command = ("stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), *login, "-t", topic, *shape)
        process = await asyncio.create_subprocess_exec(*command, *options, stdout=asyncio.subprocess.PIPE)
        subscriber = cls(process)
        async with asyncio.timeout(DEADLINE):
            while "received SUBACK" not in (line := await subscriber.raw()):
                subscriber.early.append(line)  # what waited for its session comes at once
        return subscriber

    async def raw(self) -> str:
        """Return the next line, whatever it is."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "mosquitto_sub has ended"
        return line.decode().rstrip("\n")

    async def next(self) -> tuple[bool, int, str, str]:
        """Return the next message: retained, QoS, topic, payload."""
        async with asyncio.timeout(DEADLINE):
            while True:
                line = self.early.popleft() if self.early else await self.raw()
                if line[:2] in ("0 ", "1 "):
                    retained, qos, topic, payload = line.split(" ", 3)
                    return retained == "1", int(qos), topic, payload

    async def stop(self) -> None:
        """End it; told to end by itself, it sometimes hangs in its signal handler."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.communicate()


def make_passwords(folder: Path) -> None:
    """Write `passwords` with the one user."""
    (folder / "passwords").touch(mode=0o600)
    command = ("mosquitto_passwd", "-b", folder / "passwords", USER, PASSWORD)
    subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE)


def free_ports(number: int) -> list[int]:
    """Return ports on which nobody listens."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def make_certificates(folder: Path) -> None:
    """Write `authority.pem` and, signed by it for 127.0.0.1, `broker.pem` with `broker.key`."""

    def openssl(*arguments: object) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, cwd=folder, timeout=DEADLINE)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    authority = ("-subj", "/CN=Test authority", "-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", "-x509", *key, "-days", 2, *authority, "-keyout", "authority.key", "-out", "authority.pem")
    openssl("req", *key, "-subj", "/CN=broker", "-keyout", "broker.key", "-out", "broker.csr")
    (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\n")
    signer = ("-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-extfile", "extensions")
    openssl("x509", "-req", "-in", "broker.csr", *signer, "-days", 2, "-out", "broker.pem")
