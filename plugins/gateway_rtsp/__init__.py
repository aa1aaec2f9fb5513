"""Cameras that speak RTSP, over TCP and UDP."""

from gateway.sdk.driver import CameraDriver
from gateway.sdk.hooks import hookimpl


@hookimpl
def gateway_register_drivers() -> dict[str, type[CameraDriver]]:
    """Register the driver `rtsp`."""
    from gateway_rtsp.driver import RtspDriver  # noqa: PLC0415 - only an installation that uses the hook pays

    return {"rtsp": RtspDriver}
