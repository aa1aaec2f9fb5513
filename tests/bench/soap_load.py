"""SOAP calls with WS-UsernameToken over keep-alive connections, as many as the server answers.

`python tests/bench/soap_load.py --url http://127.0.0.1:8080/onvif/device_service --operation GetDeviceInformation
--username U --password P --pid PID` prints calls per second, the server's CPU time per call and latencies as JSON.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import selectors
import socket
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from process import usage

OPERATIONS = {
    "GetDeviceInformation": "http://www.onvif.org/ver10/device/wsdl",
    "GetProfiles": "http://www.onvif.org/ver10/media/wsdl",
}
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:\s*(\d+)")


@dataclass(slots=True, eq=False)
class Connection:
    """One client that calls again as soon as it has its answer."""

    sock: socket.socket
    inbox: bytes = b""
    sent: float = 0.0


class Load:
    """All clients of one operation."""

    def __init__(self, url: str, operation: str, username: str, password: str, connections: int) -> None:
        parts = urlsplit(url)
        self.latencies: list[float] = []
        self.response = 0
        """Bytes of the last answer's body."""
        self._host, self._path = parts.netloc, parts.path
        self._operation, self._username, self._password = operation, username, password
        self._selector = selectors.DefaultSelector()
        for _ in range(connections):
            sock = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=10)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock)
            self._selector.register(sock, selectors.EVENT_READ, connection)
            self._call(connection)

    def run(self, seconds: float) -> None:
        """Call for so long. Raises RuntimeError for any answer but 200."""
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until:
            for key, _ in self._selector.select(until - now):
                self._receive(key.data)

    def _receive(self, connection: Connection) -> None:
        data = connection.sock.recv(1 << 18)
        if not data:
            raise RuntimeError("the server closed a keep-alive connection")
        connection.inbox += data
        head, separator, body = connection.inbox.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not separator or length is None or len(body) < int(length[1]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{self._operation}: {head.splitlines()[0].decode()}: {body[:400].decode()}")
        self.latencies.append(time.monotonic() - connection.sent)
        self.response = len(body)
        connection.inbox = b""
        self._call(connection)

    def _call(self, connection: Connection) -> None:
        body = self._envelope()
        connection.sent = time.monotonic()
        connection.sock.sendall(
            f"POST {self._path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"Content-Type: application/soap+xml; charset=utf-8\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    def _envelope(self) -> str:
        nonce = os.urandom(16)
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        secret = hashlib.sha1(nonce + created.encode() + self._password.encode(), usedforsecurity=False).digest()
        return (
            '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header>'
            f'<Security s:mustUnderstand="1" xmlns="{_WSS}-wssecurity-secext-1.0.xsd"><UsernameToken>'
            f"<Username>{self._username}</Username>"
            f'<Password Type="{_WSS}-username-token-profile-1.0#PasswordDigest">{base64.b64encode(secret).decode()}'
            f"</Password><Nonce>{base64.b64encode(nonce).decode()}</Nonce>"
            f'<Created xmlns="{_WSS}-wssecurity-utility-1.0.xsd">{created}</Created></UsernameToken></Security>'
            f'</s:Header><s:Body><{self._operation} xmlns="{OPERATIONS[self._operation]}"/></s:Body></s:Envelope>'
        )


def _cpu_share(pid: int, seconds: float) -> float:
    """Return what a process uses without the load: the gateway's cameras go on meanwhile."""
    before = usage(pid).cpu
    time.sleep(seconds)
    return (usage(pid).cpu - before) / seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--operation", choices=OPERATIONS, required=True)
    parser.add_argument("--username", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--cpu", type=int)
    options = parser.parse_args()
    if options.cpu is not None:
        os.sched_setaffinity(0, {options.cpu})
    idle = _cpu_share(options.pid, 2.0)
    load = Load(options.url, options.operation, options.username, options.password, options.connections)
    load.run(1.0)
    load.latencies.clear()
    before, begin = usage(options.pid).cpu, time.monotonic()
    load.run(options.seconds)
    used = usage(options.pid).cpu - before - idle * (time.monotonic() - begin)
    calls, latencies = len(load.latencies), sorted(load.latencies)
    result = {
        "calls_per_second": calls / options.seconds,
        "cpu_ms_per_call": used * 1000 / calls,
        "p50_ms": latencies[calls // 2] * 1000,
        "p99_ms": latencies[int(calls * 0.99)] * 1000,
        "response_bytes": load.response,
    }
    print(json.dumps(result), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
