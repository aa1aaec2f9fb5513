"""Calls an operation as the endpoint does: request decoded, operation awaited, response encoded and validated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lxml import etree
from media_samples import CONTEXT

from gateway.onvif.codec import Codec
from gateway.onvif.context import Context, Service
from gateway.onvif.contract import load_contract

CONTRACT = load_contract()
CODEC = Codec(CONTRACT)


@dataclass(frozen=True)
class Caller:
    """Performs operations of one service."""

    service: Service
    validate: Callable[[etree._Element], object]
    """Raises for an element that breaks ONVIF's schema."""

    async def __call__(self, operation: str, request: str = "", context: Context = CONTEXT) -> dict[str, Any]:
        """Return the plain answer. `request` is the content of the request element, in prefixed XML."""
        plan = next(entry for entry in CONTRACT.operations(self.service.namespace) if entry.name == operation)
        namespace, _, local = plan.request[1:].partition("}")
        declared = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in CONTRACT.prefixes.items())
        element = etree.fromstring(f'<q:{local} xmlns:q="{namespace}" {declared}>{request}</q:{local}>')
        answer: dict[str, Any] = await getattr(self.service, operation)(CODEC.decode(element), context)
        response = CODEC.element(plan.response, answer)
        self.validate(response)
        return answer

    def element(self, operation: str, answer: dict[str, Any]) -> etree._Element:
        """Return an answer as its response element."""
        plan = next(entry for entry in CONTRACT.operations(self.service.namespace) if entry.name == operation)
        return CODEC.element(plan.response, answer)
