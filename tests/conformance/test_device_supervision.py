"""Operations that fail, hang or answer nonsense become faults, and the endpoint lives on."""

import asyncio
from typing import Any, ClassVar

import pytest
from soap_kit import Kit, fault_of

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.onvif.context import Context

REPLAY = "http://www.onvif.org/ver10/replay/wsdl"
ASK = f"<r:GetReplayConfiguration xmlns:r='{REPLAY}'/>"


class Broken:
    """A replay service that does whatever it is told."""

    namespace: ClassVar[str] = REPLAY
    path: ClassVar[str] = "/onvif/replay_service"

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.answer: dict[str, Any] = {}
        self.waiting = False

    def capabilities(self) -> dict[str, Any]:
        return {"ReversePlayback": True}

    async def GetReplayConfiguration(  # noqa: N802 - the operation's name
        self, _request: dict[str, Any], _context: Context
    ) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        if self.waiting:
            await asyncio.get_running_loop().create_future()
        return self.answer


@pytest.fixture
def broken() -> Broken:
    return Broken()


@pytest.mark.parametrize(
    ("error", "codes", "reason"),
    [
        (GatewayError(ErrorKind.INVALID, "x is wrong"), "env:Sender ter:InvalidArgVal", "x is wrong"),
        (GatewayError(ErrorKind.LIMIT, "too many"), "env:Receiver ter:Action", "too many"),
        (GatewayError(ErrorKind.FORBIDDEN, "no"), "env:Sender ter:OperationProhibited", "no"),
        (GatewayError(ErrorKind.UNSUPPORTED, "no"), "env:Receiver ter:ActionNotSupported", "no"),
        (ZeroDivisionError("secret"), "env:Receiver ter:Action", "the operation failed inside the device"),
    ],
)
async def test_errors_become_faults(error: Exception, codes: str, reason: str, broken: Broken) -> None:
    kit = Kit([broken])
    broken.error = error
    fault = fault_of(await kit.call(ASK))
    assert " ".join((fault.code, *fault.subcodes)) == codes
    assert fault.reason == reason


async def test_an_operation_has_a_time_limit(broken: Broken) -> None:
    kit = Kit([broken], time_limit=0.01)
    broken.waiting = True
    assert fault_of(await kit.call(ASK)).reason == "no answer within 0.01 seconds"


async def test_an_answer_that_does_not_fit_becomes_a_fault(broken: Broken) -> None:
    kit = Kit([broken])
    broken.answer = {"Colour": "red"}
    fault = fault_of(await kit.call(ASK))
    assert fault.reason.startswith("the device made an invalid answer: element trp:GetReplayConfigurationResponse has")


async def test_capabilities_are_answered_for_every_service(broken: Broken) -> None:
    kit = Kit([broken])
    response = await kit.call(f"<r:GetServiceCapabilities xmlns:r='{REPLAY}'/>", "")
    assert b'<trp:Capabilities ReversePlayback="true"/>' in response.body
    assert {operation.name for operation in kit.endpoint.operations() if operation.service.name == "replay"} == {
        "GetServiceCapabilities",
        "GetReplayConfiguration",
    }


def test_a_misspelt_operation_is_found_at_start() -> None:
    class Misspelt(Broken):
        async def GetReplayURI(  # noqa: N802 - an operation's name
            self, _request: dict[str, Any], _context: Context
        ) -> dict[str, Any]:
            return {}

    with pytest.raises(ValueError, match=r"Misspelt has operations that .*replay/wsdl lacks: \['GetReplayURI'\]"):
        Kit([Misspelt()])
