"""A simulated camera: an encoded test pattern with a clock, or a media file played in a loop."""

from gateway.sdk.driver import CameraDriver
from gateway.sdk.hooks import hookimpl


@hookimpl
def gateway_register_drivers() -> dict[str, type[CameraDriver]]:
    """Register the driver `testpattern`."""
    from gateway_testpattern.driver import TestPatternDriver  # noqa: PLC0415 - PyAV loads only where it is used

    return {"testpattern": TestPatternDriver}
