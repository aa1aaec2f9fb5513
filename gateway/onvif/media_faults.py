"""The faults of the media services (Media, Media2 and DeviceIO specifications, "faults" of each operation)."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from gateway.domain.errors import ErrorKind, GatewayError
from gateway.onvif.faults import Code, Receiver, Sender, SoapFault


def no_profile(token: str) -> SoapFault:
    """Return the fault for an unknown profile token."""
    return SoapFault(Sender, "InvalidArgVal", "NoProfile", f"profile token {token!r} does not exist")


def no_config(token: str, what: str = "configuration") -> SoapFault:
    """Return the fault for an unknown token of anything else."""
    return SoapFault(Sender, "InvalidArgVal", "NoConfig", f"{what} token {token!r} does not exist")


def no_video_source(token: str) -> SoapFault:
    """Return the fault for an unknown video source."""
    return SoapFault(Sender, "InvalidArgVal", "NoVideoSource", f"video source token {token!r} does not exist")


def no_video_source_mode(token: str) -> SoapFault:
    """Return the fault for an unknown mode of a video source."""
    return SoapFault(Sender, "InvalidArgVal", "NoVideoSourceMode", f"video source mode {token!r} does not exist")


def no_video_output(token: str) -> SoapFault:
    """Return the fault for an unknown video output."""
    return SoapFault(Sender, "InvalidArgVal", "NoVideoOutput", f"video output token {token!r} does not exist")


def no_relay(token: str) -> SoapFault:
    """Return the fault for an unknown relay output."""
    return SoapFault(Sender, "InvalidArgVal", "RelayToken", f"relay output token {token!r} does not exist")


def full(code: str, message: str) -> SoapFault:
    """Return the fault for something there is no room for, such as `MaxOSDs`."""
    return SoapFault(Receiver, "Action", code, message)


def config_modify(message: str) -> SoapFault:
    """Return the fault for a value that can't be set."""
    return SoapFault(Sender, "InvalidArgVal", "ConfigModify", message)


def invalid_stream_setup(message: str) -> SoapFault:
    """Return the fault for a transport that is not served."""
    return SoapFault(Sender, "InvalidArgVal", "InvalidStreamSetup", message)


def conflict(message: str) -> SoapFault:
    """Return the fault for configurations that don't go together."""
    return SoapFault(Receiver, "Action", "ConfigurationConflict", message)


def incompatible(token: str, profile: str) -> SoapFault:
    """Return the fault for asking for a configuration in the context of a profile that can't hold it."""
    message = f"configuration {token!r} does not go with profile {profile!r}"
    return SoapFault(Sender, "InvalidArgVal", "IncompatibleConfiguration", message)


def incomplete(token: str, missing: str) -> SoapFault:
    """Return the fault for a profile that can't be streamed yet."""
    message = f"profile {token!r} has no {missing}; add one first"
    return SoapFault(Receiver, "Action", "IncompleteConfiguration", message)


def not_supported(what: str, message: str) -> SoapFault:
    """Return the fault for a whole feature that the device does not have, such as `PTZNotSupported`."""
    return SoapFault(Receiver, "ActionNotSupported", what, message)


def profile_exists(token: str) -> SoapFault:
    """Return the fault for a new profile whose token is in use."""
    return SoapFault(Sender, "InvalidArgVal", "ProfileExists", f"a profile with the token {token!r} already exists")


def fixed_profile(token: str) -> SoapFault:
    """Return the fault for deleting one of the channels' own profiles."""
    return SoapFault(Sender, "Action", "DeletionOfFixedProfile", f"the fixed profile {token!r} can't be deleted")


@contextmanager
def translated(codes: Mapping[ErrorKind, tuple[Code, str, str]]) -> Iterator[None]:
    """Turn failures of some kinds into faults with these codes."""
    try:
        yield
    except GatewayError as error:
        if error.kind not in codes:
            raise
        code, subcode, detail = codes[error.kind]
        raise SoapFault(code, subcode, detail, error.message) from error


def of_profiles() -> AbstractContextManager[None]:
    """Turn a failure of the profiles service, or of multicast, into its fault."""
    return translated(_OF_PROFILES)


_OF_PROFILES: dict[ErrorKind, tuple[Code, str, str]] = {
    ErrorKind.INVALID: (Sender, "InvalidArgVal", "ConfigModify"),
    ErrorKind.CONFLICT: (Sender, "InvalidArgVal", "ProfileExists"),
    ErrorKind.LIMIT: (Receiver, "Action", "MaxNVTProfiles"),
    ErrorKind.NOT_FOUND: (Sender, "InvalidArgVal", "NoProfile"),
}


def synology_profile(request: Mapping[str, Any]) -> SoapFault | None:
    """Return what Synology must hear when it tries CreateProfile a second time, without credentials.

    It takes NotAuthorized there for a failed login and gives up the camera; "no room" it takes for granted.
    """
    if not str(request.get("Name", "")).lower().startswith("syno"):
        return None
    return SoapFault(Receiver, "Action", "MaxNVTProfiles", "no more profiles can be made without a login")


ANONYMOUS_FAULTS = {
    "{http://www.onvif.org/ver10/media/wsdl}CreateProfile": synology_profile,
    "{http://www.onvif.org/ver20/media/wsdl}CreateProfile": synology_profile,
}
"""What to answer to requests without credentials instead of a challenge, by request element."""
