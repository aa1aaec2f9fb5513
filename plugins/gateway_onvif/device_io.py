"""The camera's relays and digital inputs (ONVIF Device IO Service Specification, Core §8.6).

A camera without the Device IO service has its relays in the Device service, without options.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from gateway.domain.device_io import DigitalInput, IdleState, RelayMode, RelayOptions, RelayOutput
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.ranges import Range
from gateway.protocols.soap.answers import Element, text
from gateway_onvif.asking import Asker
from gateway_onvif.messages import DEVICE, DEVICE_IO
from gateway_onvif.values import element, numbers, texts, truth, written

_SECONDS: Final = {"D": 86_400, "H": 3600, "M": 60, "S": 1}
_DURATION: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_ANY: Final = RelayOptions((RelayMode.BISTABLE, RelayMode.MONOSTABLE))


class CameraRelays:
    """A `gateway.sdk.controls.Relays`."""

    def __init__(self, asker: Asker, options: Mapping[str, RelayOptions]) -> None:
        self.options = options
        self._asker = asker

    async def outputs(self) -> tuple[RelayOutput, ...]:
        """Return the relays with their settings."""
        return tuple(relay for relay in await _outputs(self._asker) if relay.token in self.options)

    async def set_output(self, output: RelayOutput) -> None:
        """Change a relay's settings."""
        settings = (
            element("tt:Mode", value=output.mode),
            element("tt:DelayTime", value=f"PT{written(output.delay)}S"),
            element("tt:IdleState", value=output.idle_state),
        )
        if _service(self._asker) == DEVICE:
            token = element("tds:RelayOutputToken", value=output.token)
            asked = element("tds:SetRelayOutputSettings", token, element("tds:Properties", *settings))
        else:
            relay = element("tmd:RelayOutput", element("tt:Properties", *settings), token=output.token)
            asked = element("tmd:SetRelayOutputSettings", relay)
        await self._asker.ask(_service(self._asker), asked)

    async def set_state(self, token: str, *, active: bool) -> None:
        """Switch a relay."""
        state = element("tds:LogicalState", value="active" if active else "inactive")
        asked = element("tds:SetRelayOutputState", element("tds:RelayOutputToken", value=token), state)
        await self._asker.ask(_service(self._asker), asked)


class CameraInputs:
    """A `gateway.sdk.controls.DigitalInputs`."""

    def __init__(self, asker: Asker, tokens: tuple[str, ...]) -> None:
        self.tokens = tokens
        self._asker = asker

    async def inputs(self) -> tuple[DigitalInput, ...]:
        """Return the inputs with their settings."""
        return tuple(each for each in await _inputs(self._asker) if each.token in self.tokens)

    async def set_input(self, wanted: DigitalInput) -> None:
        """Change an input's idle state."""
        found = element("tmd:DigitalInputs", token=wanted.token, IdleState=wanted.idle_state)
        await self._asker.ask(DEVICE_IO, element("tmd:SetDigitalInputConfigurations", found))


async def read_relays(asker: Asker, has: Callable[[str], bool]) -> CameraRelays | None:
    """Ask for the relays, None where there are none; `has` knows the camera's by token. Raises GatewayError."""
    relays = [relay for relay in await _outputs(asker) if has(relay.token)]
    known: dict[str, RelayOptions] = {}
    if relays and asker.offers(DEVICE_IO):
        try:
            answer = await asker.ask(DEVICE_IO, "<tmd:GetRelayOutputOptions/>")
            known = {node.get("token", ""): _relay_options(node) for node in answer.iterfind("{*}RelayOutputOptions")}
        except GatewayError as error:
            if error.kind is ErrorKind.UNAVAILABLE:
                raise
    return CameraRelays(asker, {relay.token: known.get(relay.token, _ANY) for relay in relays}) if relays else None


async def read_inputs(asker: Asker, has: Callable[[str], bool]) -> CameraInputs | None:
    """Ask for the digital inputs, as `read_relays` does for relays. Raises GatewayError."""
    found = [each for each in await _inputs(asker) if has(each.token)]
    return CameraInputs(asker, tuple(each.token for each in found)) if found else None


def _service(asker: Asker) -> str:
    return DEVICE_IO if asker.offers(DEVICE_IO) else DEVICE


async def _outputs(asker: Asker) -> tuple[RelayOutput, ...]:
    answer = await asker.ask(_service(asker), "<tds:GetRelayOutputs/>")
    return tuple(_relay(node) for node in answer.iterfind("{*}RelayOutputs") if node.get("token"))


async def _inputs(asker: Asker) -> tuple[DigitalInput, ...]:
    answer = await asker.ask(DEVICE_IO, "<tmd:GetDigitalInputs/>")
    return tuple(
        DigitalInput(token, _idle(node.get("IdleState")))
        for node in answer.iterfind("{*}DigitalInputs")
        if (token := node.get("token"))
    )


def _relay(node: Element) -> RelayOutput:
    mode = text(node, "{*}Properties/{*}Mode")
    return RelayOutput(
        node.get("token", ""),
        RelayMode(mode) if mode in set(RelayMode) else RelayMode.BISTABLE,
        _seconds(text(node, "{*}Properties/{*}DelayTime")),
        _idle(text(node, "{*}Properties/{*}IdleState")) or IdleState.OPEN,
    )


def _relay_options(node: Element) -> RelayOptions:
    modes = tuple(RelayMode(mode) for mode in texts(node, "{*}Mode") if mode in set(RelayMode))
    delays = numbers(text(node, "{*}DelayTimes"))
    if truth(text(node, "{*}Discrete")):
        return RelayOptions(modes, delays=delays)
    return RelayOptions(modes, Range(min(delays), max(delays)) if delays else None)


def _idle(word: str | None) -> IdleState | None:
    return IdleState(word) if word in set(IdleState) else None


def _seconds(duration: str) -> float:
    """Return the seconds of an `xs:duration`, 0 for one that is none."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        return 0.0
    return sum(float(amount or 0) * unit for amount, unit in zip(match.groups(), _SECONDS.values(), strict=True))
