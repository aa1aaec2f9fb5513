"""Calls the SOAP services of plug-ins with zeep, which learns them from their WSDL documents.

Run with the Python of an environment that has zeep: zeep_vendor.py HTTP-ADDRESS USER PASSWORD usernametoken|digest.
Prints one JSON object.
"""

# ruff: noqa: T201 - it prints what it found

import json
import sys
from datetime import UTC, datetime
from typing import Any

from requests import Session
from requests.auth import HTTPDigestAuth
from zeep import Client
from zeep.exceptions import Fault
from zeep.helpers import serialize_object
from zeep.transports import Transport
from zeep.wsse.username import UsernameToken


def client(url: str, user: str, password: str, mode: str) -> Any:
    session = Session()
    if mode == "digest":
        session.auth = HTTPDigestAuth(user, password)
    token = UsernameToken(user, password, use_digest=True) if mode == "usernametoken" else None
    return Client(url, wsse=token, transport=Transport(session=session)).service


def main(base: str, user: str, password: str, mode: str) -> None:
    gateway = client(f"{base}/onvif/vendor/gateway?wsdl", user, password, mode)
    notes = client(f"{base}/onvif/vendor/notes", user, password, mode)
    begin, end = (datetime(2026, 11, 22, hour, tzinfo=UTC) for hour in (10, 12))
    hold = gateway.AddHold(Recording="Recording_door", From=begin, To=end, Reason="theft")
    held = serialize_object(gateway.GetHolds())
    gateway.RemoveHold(hold)
    try:
        gateway.RemoveHold(hold)
        fault = []
    except Fault as error:
        fault = [error.message, [code.localname for code in error.subcodes or ()]]
    count = notes.AddNote("gate open")
    found = {
        "status": serialize_object(gateway.GetStatus()),
        "cameras": serialize_object(gateway.GetCameras()),
        "storages": serialize_object(gateway.GetStorages()),
        "held": held,
        "left": serialize_object(gateway.GetHolds()),
        "fault": fault,
        "count": count,
        "notes": serialize_object(notes.GetNotes()),
    }
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
