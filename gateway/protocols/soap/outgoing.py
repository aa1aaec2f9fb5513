"""SOAP messages that we send of our own accord, with their WS-Addressing headers (WS-Addressing 1.0 Core §3)."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from gateway.protocols.soap.envelope import ADDRESSING, SoapVersion, escape


def one_way(
    body: str, namespaces: Mapping[str, str], to: str, action: str, message_id: UUID, headers: Sequence[str] = ()
) -> bytes:
    """Return a SOAP 1.2 envelope around a body written with the prefixes of `namespaces`, `wsa` among them.

    `headers` are further header blocks as text: the reference parameters of the receiver, with their own declarations.
    """
    declared = {"env": SoapVersion.V12.namespace, "wsa": ADDRESSING[0], **namespaces}
    declarations = "".join([f' xmlns:{prefix}="{uri}"' for prefix, uri in declared.items()])
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<env:Envelope{declarations}><env:Header><wsa:To>{escape(to)}</wsa:To><wsa:Action>{escape(action)}</wsa:Action>"
        f"<wsa:MessageID>{message_id.urn}</wsa:MessageID>{''.join(headers)}</env:Header>"
        f"<env:Body>{body}</env:Body></env:Envelope>"
    ).encode()
