"""Tells motion from what differs between a picture and those before it."""

from gateway.sdk.hooks import hookimpl
from gateway.sdk.motion import MotionEngine
from gateway_framediff.engine import FrameDifference


@hookimpl
def gateway_register_motion_engines() -> dict[str, type[MotionEngine]]:
    """Register the motion engine `framediff`."""
    return {"framediff": FrameDifference}
