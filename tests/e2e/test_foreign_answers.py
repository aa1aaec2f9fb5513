"""What foreign clients are answered is valid, and they log in where only one way of doing so is open."""

import http.client
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e.conftest import GATEWAY, HTTP_PORT, PASSWORD, PEERS, USER, Gateway, read_json_line, run_json
from e2e.network import HOUSE, LAN, Network
from e2e.test_vms_clients import client
from lxml import etree

from gateway.onvif.contract import load_contract
from gateway.onvif.validation import Validator

pytestmark = pytest.mark.peer
TAP_PORT, OTHER_PORT = 18080, 18090
SOAP = ("http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/")


class _Answers(io.BytesIO):
    """The bytes of a connection, as `http.client` wants them: of a socket."""

    def makefile(self, *_arguments: object) -> "_Answers":
        return self

    def close(self) -> None:
        """Stay open: the next answer follows."""


def bodies(answers: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield status and body of every HTTP answer of a connection."""
    stream = _Answers(answers)
    while stream.tell() < len(answers):
        response = http.client.HTTPResponse(stream)  # type: ignore[arg-type]
        response.begin()
        yield response.status, response.read()


@contextmanager
def tapped(gateway: Gateway, folder: Path) -> Iterator[None]:
    process = gateway.place.start(sys.executable, PEERS / "wiretap.py", LAN, TAP_PORT, HOUSE, HTTP_PORT, folder)
    read_json_line(process)
    try:
        yield
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.mark.parametrize(("peer", "mode"), [("onvif_python", "digest"), ("home_assistant", "")])
def test_every_answer_to_a_foreign_client_is_valid(measured: Gateway, tmp_path: Path, peer: str, mode: str) -> None:
    with tapped(measured, tmp_path):
        program = (client(peer), PEERS / f"{peer}.py", LAN, TAP_PORT, USER, PASSWORD, *([mode] if mode else []))
        run_json(measured.place, *program)
    validator = Validator(load_contract())
    seen, wrong = set(), {}
    for kept in sorted(tmp_path.iterdir()):
        for status, body in bodies(kept.read_bytes()):
            if not body.startswith(b"<"):
                continue  # a challenge, or a picture
            root = etree.fromstring(body)
            name = etree.QName(root)
            assert (name.localname, name.namespace in SOAP) == ("Envelope", True), body
            content = root.find(f"{{{name.namespace}}}Body")[0]
            if etree.QName(content).localname == "Fault":
                assert status >= 400, body
                continue
            seen.add(etree.QName(content).localname)
            if errors := validator.errors(content):
                wrong[content.tag] = errors
    assert not wrong, json.dumps(wrong, indent=1)
    assert {"GetProfilesResponse", "GetDeviceInformationResponse", "GetSystemDateAndTimeResponse"} <= seen


@contextmanager
def gateway_with(network: Network, folder: Path, access: str) -> Iterator[None]:
    """Run a second gateway without cameras on a port of its own."""
    configuration = folder / "gateway.toml"
    configuration.write_text(
        f'[http]\nlisten = "{HOUSE}:{OTHER_PORT}"\n[rtsp]\nlisten = "{HOUSE}:{OTHER_PORT + 1}"\n'
        f"[discovery]\nenabled = false\n[access]\n{access}\n"
    )
    environment = {**os.environ, "GATEWAY_ADMIN_PASSWORD": PASSWORD}
    command = network.house(GATEWAY, "run", configuration, "--json", "--data", folder / "data")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        try:
            read_json_line(process)
            yield
        finally:
            process.terminate()
            process.communicate(timeout=10)


@pytest.mark.parametrize(
    ("access", "digest", "token"),
    [
        ("username_tokens = false", "ok", "ter:NotAuthorized"),
        ('digest_algorithms = ["SHA-256"]', "ok", "ok"),
        ('digest_algorithms = ["MD5"]', "ok", "ok"),
    ],
)
def test_a_client_logs_in_where_one_way_is_open(
    network: Network, tmp_path: Path, access: str, digest: str, token: str
) -> None:
    with gateway_with(network, tmp_path, access):
        for mode, outcome in (("digest", digest), ("usernametoken", token)):
            program = (client("onvif_python"), PEERS / "onvif_python.py", HOUSE, OTHER_PORT, USER, PASSWORD, mode)
            results = run_json(network.lan, *program, "device.GetUsers", "device.GetDeviceInformation")
            assert {name: result["outcome"] for name, result in results.items()} == dict.fromkeys(
                ("device.GetUsers", "device.GetDeviceInformation"), outcome
            )
