"""Cameras that speak ONVIF: described by SOAP, their media by RTSP."""

from gateway.sdk.driver import CameraDriver
from gateway.sdk.hooks import hookimpl


@hookimpl
def gateway_register_drivers() -> dict[str, type[CameraDriver]]:
    """Register the driver `onvif`."""
    from gateway_onvif.driver import OnvifDriver  # noqa: PLC0415 - only an installation that uses the hook pays

    return {"onvif": OnvifDriver}
