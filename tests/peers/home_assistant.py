"""Adds the gateway as Home Assistant's ONVIF integration does: its library, its order of calls, its conditions.

Run with the Python of an environment that has onvif-zeep-async: home_assistant.py HOST PORT USER PASSWORD.
Prints one JSON object.
"""

# ruff: noqa: T201 - it prints what it found

import asyncio
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import onvif
from onvif import ONVIFCamera
from zeep.exceptions import Fault

SOURCE = Path(onvif.__file__).parent / "wsdl"


async def main(host: str, port: str, user: str, password: str) -> dict[str, Any]:
    camera = ONVIFCamera(host, int(port), user, password, str(SOURCE), no_cache=True)
    try:
        return {**await config_flow(camera), **await setup(camera)}
    finally:
        await camera.close()


async def config_flow(camera: ONVIFCamera) -> dict[str, Any]:
    """The questions of the dialogue that adds a device."""
    await camera.update_xaddrs()
    device = await camera.create_devicemgmt_service()
    unique_id = await mac_address(device)
    if unique_id is None:
        unique_id = (await device.GetDeviceInformation()).SerialNumber
    media = await camera.create_media_service()
    profiles = await media.GetProfiles()
    return {
        "unique_id": unique_id,
        "has_h264": any(
            p.VideoEncoderConfiguration.Encoding == "H264" for p in profiles if p.VideoEncoderConfiguration
        ),
    }


async def mac_address(device: Any) -> str | None:
    """The last enabled interface wins; only a fault with exactly these words is forgiven."""
    mac = None
    try:
        for interface in await device.GetNetworkInterfaces():
            if interface.Enabled:
                mac = interface.Info.HwAddress
    except Fault as fault:
        if "not implemented" not in fault.message:
            raise
    return mac


async def setup(camera: ONVIFCamera) -> dict[str, Any]:
    """What happens at every start of the integration."""
    await camera.update_xaddrs()
    capabilities = await camera.get_capabilities()
    device = await camera.create_devicemgmt_service()
    offset = await clock_offset(device)
    information = await device.GetDeviceInformation()
    mac = await mac_address(device)
    media = await camera.create_media_service()
    snapshot_capability = bool((await media.GetServiceCapabilities()).SnapshotUri)
    found = [await entity(camera, media, profile) for profile in await media.GetProfiles() if is_h264(profile)]
    widest = max(each["width"] for each in found)
    return {
        "xaddrs": camera.xaddrs,
        "capabilities": sorted(capabilities or {}),
        "clock_offset": offset,
        "manufacturer": information.Manufacturer,
        "model": information.Model,
        "serial": information.SerialNumber,
        "mac": mac,
        "snapshot": snapshot_capability,
        "profiles": [{**each, "enabled": each["width"] == widest} for each in found],
    }


def is_h264(profile: Any) -> bool:
    return bool(profile.VideoEncoderConfiguration) and profile.VideoEncoderConfiguration.Encoding == "H264"


async def clock_offset(device: Any) -> float:
    """Seconds between the device's clock and ours; more than 5 makes a warning."""
    date = (await device.GetSystemDateAndTime()).UTCDateTime
    told = dt.datetime(
        date.Date.Year, date.Date.Month, date.Date.Day, date.Time.Hour, date.Time.Minute, date.Time.Second, 0, dt.UTC
    )
    return abs((told - dt.datetime.now(dt.UTC)).total_seconds())


async def entity(camera: ONVIFCamera, media: Any, profile: Any) -> dict[str, Any]:
    """One camera entity: its stream address and its picture, by Digest and then by Basic."""
    request = media.create_type("GetStreamUri")
    request.ProfileToken = profile.token
    request.StreamSetup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    stream = await media.GetStreamUri(request)
    return {
        "token": profile.token,
        "name": profile.Name,
        "source": profile.VideoSourceConfiguration.SourceToken,
        "width": profile.VideoEncoderConfiguration.Resolution.Width,
        "height": profile.VideoEncoderConfiguration.Resolution.Height,
        "frame_rate": profile.VideoEncoderConfiguration.RateControl.FrameRateLimit,
        "stream": stream.Uri,
        "snapshot": await camera.get_snapshot_uri(profile.token),
        "jpeg_by_digest": starts_as_jpeg(await camera.get_snapshot(profile.token)),
        "jpeg_by_basic": starts_as_jpeg(await camera.get_snapshot(profile.token, basic_auth=True)),
    }


def starts_as_jpeg(picture: bytes | None) -> bool:
    return bool(picture) and picture.startswith(b"\xff\xd8\xff")


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:5]))))
