"""Relays and digital inputs of all cameras, as the Device and the DeviceIO service show them.

A token is made of the camera's id and its own token: `RelayOutput_yard_1`, as in the events.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from gateway.domain.abilities import RelayAbility
from gateway.domain.device_io import DigitalInput, IdleState, RelayMode, RelayOptions, RelayOutput
from gateway.domain.errors import ErrorKind, GatewayError
from gateway.domain.writing import WriteKind
from gateway.onvif import media_faults as faults
from gateway.onvif import media_settings
from gateway.onvif.cameras import CameraAccess
from gateway.onvif.context import Context
from gateway.onvif.faults import Sender, SoapFault
from gateway.onvif.media_schema import Plain


@dataclass(frozen=True, slots=True)
class _Relay:
    camera: str
    ability: RelayAbility

    @property
    def token(self) -> str:
        return f"RelayOutput_{self.camera}_{self.ability.output.token}"


@dataclass(frozen=True, slots=True)
class _Input:
    camera: str
    known: DigitalInput

    @property
    def token(self) -> str:
        return f"DigitalInput_{self.camera}_{self.known.token}"


class Contacts(Protocol):
    """Relays and digital inputs."""

    def relay_outputs(self) -> list[Plain]:
        """Return `tt:RelayOutput`s."""
        ...

    def relay_options(self, token: str | None) -> list[Plain]:
        """Return `tmd:RelayOutputOptions` of one relay or of all."""
        ...

    async def set_relay(self, token: str, properties: Plain, context: Context) -> None:
        """Write `tt:RelayOutputSettings`."""
        ...

    async def switch_relay(self, token: str, state: str, context: Context) -> None:
        """Make a relay `active` or `inactive`."""
        ...

    def digital_inputs(self) -> list[Plain]:
        """Return `tt:DigitalInput`s."""
        ...

    def input_options(self, token: str | None) -> Plain:
        """Return what an input can be set to."""
        ...

    async def set_inputs(self, wanted: Sequence[Plain], context: Context) -> None:
        """Write `tt:DigitalInput`s."""
        ...


class CameraContacts:
    """The contacts of all cameras, in channel order."""

    def __init__(self, cameras: Callable[[], Sequence[str]], access: CameraAccess) -> None:
        """`cameras` returns the ids in channel order."""
        self._cameras = cameras
        self._controls = access.controls
        self._writes = access.writes

    def relay_outputs(self) -> list[Plain]:
        """Return every relay with its settings."""
        return [{"token": relay.token, "Properties": _properties(relay.ability.output)} for relay in self._relays()]

    def relay_options(self, token: str | None) -> list[Plain]:
        """Return what one relay, or every one, can be set to. Raises SoapFault."""
        relays = list(self._relays()) if token is None else [self._relay(token)]
        return [{"token": relay.token, **_options(relay.ability.options)} for relay in relays]

    async def set_relay(self, token: str, properties: Plain, context: Context) -> None:
        """Change a relay's settings as far as it can. Raises SoapFault."""
        relay = self._relay(token)
        before = relay.ability.output
        wanted = replace(
            before,
            mode=RelayMode(properties["Mode"]),
            delay=properties["DelayTime"].total_seconds(),
            idle_state=IdleState(properties["IdleState"]),
        )
        _check(token, wanted, relay.ability.options)
        change = f"{token}: {media_settings.told(before, wanted)}"

        async def apply() -> None:
            relays = self._controls.live(relay.camera).relays
            if relays is None:
                raise _gone(token)
            await self._controls.ask(relay.camera, relays.set_output(wanted))
            await self._controls.learn(relay.camera)

        await self._writes.perform(context, "SetRelayOutputSettings", WriteKind.RELAYS, change, apply)

    async def switch_relay(self, token: str, state: str, context: Context) -> None:
        """Switch a relay. Raises SoapFault."""
        relay = self._relay(token)

        async def apply() -> None:
            relays = self._controls.live(relay.camera).relays
            if relays is None:
                raise _gone(token)
            switched = relays.set_state(relay.ability.output.token, active=state == "active")
            await self._controls.ask(relay.camera, switched)

        change = f"{token}: to {state}"
        await self._writes.perform(context, "SetRelayOutputState", WriteKind.RELAYS, change, apply)

    def digital_inputs(self) -> list[Plain]:
        """Return every input."""
        return [
            {"token": each.token, **({"IdleState": str(each.known.idle_state)} if each.known.idle_state else {})}
            for each in self._inputs()
        ]

    def input_options(self, token: str | None) -> Plain:
        """Return what an input's idle state can be. Raises SoapFault."""
        fixed = token is not None and self._input(token).known.idle_state is None
        return {"IdleState": [] if fixed else list(map(str, IdleState))}

    async def set_inputs(self, wanted: Sequence[Plain], context: Context) -> None:
        """Change the idle states of inputs. Raises SoapFault; then those before are changed."""
        found = [(self._input(each["token"]), each) for each in wanted]
        for each, plain in found:
            if plain.get("IdleState") is None:
                continue
            new = replace(each.known, idle_state=IdleState(plain["IdleState"]))
            change = f"{each.token}: {media_settings.told(each.known, new)}"

            async def apply(each: _Input = each, new: DigitalInput = new) -> None:
                inputs = self._controls.live(each.camera).inputs
                if inputs is None:
                    raise _gone(each.token)
                await self._controls.ask(each.camera, inputs.set_input(new))
                await self._controls.learn(each.camera)

            await self._writes.perform(
                context, "SetDigitalInputConfigurations", WriteKind.DIGITAL_INPUTS, change, apply
            )

    def _relays(self) -> Iterator[_Relay]:
        for camera in self._cameras():
            for ability in self._controls.abilities(camera).relays.values():
                yield _Relay(camera, ability)

    def _inputs(self) -> Iterator[_Input]:
        for camera in self._cameras():
            for known in self._controls.abilities(camera).inputs.values():
                yield _Input(camera, known)

    def _relay(self, token: str) -> _Relay:
        found = next((relay for relay in self._relays() if relay.token == token), None)
        if found is None:
            raise faults.no_relay(token)
        return found

    def _input(self, token: str) -> _Input:
        found = next((each for each in self._inputs() if each.token == token), None)
        if found is None:
            raise faults.no_config(token, "digital input")
        return found


class NoContacts:
    """A device without any."""

    def relay_outputs(self) -> list[Plain]:
        """List none."""
        return []

    def relay_options(self, token: str | None) -> list[Plain]:
        """List none."""
        if token is not None:
            raise faults.no_relay(token)
        return []

    async def set_relay(self, token: str, properties: Plain, context: Context) -> None:  # noqa: ARG002 - there is none
        """Refuse."""
        raise faults.no_relay(token)

    async def switch_relay(self, token: str, state: str, context: Context) -> None:  # noqa: ARG002 - there is none
        """Refuse."""
        raise faults.no_relay(token)

    def digital_inputs(self) -> list[Plain]:
        """List none."""
        return []

    def input_options(self, token: str | None) -> Plain:
        """Return what an input could be set to."""
        if token is not None:
            raise faults.no_config(token, "digital input")
        return {"IdleState": list(map(str, IdleState))}

    async def set_inputs(self, wanted: Sequence[Plain], context: Context) -> None:  # noqa: ARG002 - there is none
        """Refuse."""
        raise faults.no_config(wanted[0]["token"], "digital input")


def _properties(output: RelayOutput) -> Plain:
    return {
        "Mode": str(output.mode),
        "DelayTime": timedelta(seconds=output.delay),
        "IdleState": str(output.idle_state),
    }


def _options(options: RelayOptions) -> Plain:
    value: Plain = {"Mode": list(map(str, options.modes))}
    if options.delays:
        value |= {"DelayTimes": list(options.delays), "Discrete": True}
    elif options.delay is not None:
        value["DelayTimes"] = [options.delay.minimum, options.delay.maximum]
    return value


def _check(token: str, wanted: RelayOutput, options: RelayOptions) -> None:
    if wanted.mode not in options.modes:
        modes = ", ".join(map(str, options.modes))
        raise SoapFault(Sender, "InvalidArgVal", "ModeError", f"mode {wanted.mode} of {token!r} is not one of {modes}")
    if wanted.mode is not RelayMode.MONOSTABLE:
        return
    outside = options.delay is not None and wanted.delay not in options.delay
    if outside or (options.delays and wanted.delay not in options.delays):
        reason = f"a delay of {wanted.delay:g} s is not possible with {token!r}"
        raise SoapFault(Sender, "InvalidArgVal", "ModeError", reason)


def _gone(token: str) -> GatewayError:
    return GatewayError(ErrorKind.UNAVAILABLE, f"the camera has no {token!r} any more")
