"""The actions `accept` and `passwd` of the command `camera`: it was replaced, or its login is another now."""

import argparse
import sys
from dataclasses import replace

from gateway.cli_camera_known import Known, ask_password, endpoint_of
from gateway.config import Camera
from gateway.domain.camera_history import HistoryKind
from gateway.drivers import configured
from gateway.services.camera_adding import inspect
from gateway.services.camera_changes import info_of


async def accept(options: argparse.Namespace, known: Known) -> int:
    """Take the device that is at a camera's address now for the camera: it was replaced."""
    camera = known.find(options.id)
    info = (await inspect(known.driver(camera))).info
    past = await known.database.camera_history.of(camera.id)
    was = next((info_of(each.value) for each in reversed(past) if each.kind is HistoryKind.IDENTITY), None)
    await known.is_now(camera.id, info)
    old = "" if was is None else was.serial
    known.audit("AcceptCamera", f"{camera.id}: serial number {info.serial!r} instead of {old!r}")
    print(f"camera {camera.id} is {info.manufacturer} {info.model} with serial number {info.serial!r} now")
    await _renew_endpoint(known, camera)
    print(await known.follow(now=options.now))
    return 0


async def passwd(options: argparse.Namespace, known: Known) -> int:
    """Set the login of a camera that was added by command, if the camera takes it. The camera's own stays as it is."""
    added = known.find_added(options.id)
    user = options.user or str(added.settings.get("username", ""))
    changed = replace(added, settings=added.settings | {"username": user, "password": ask_password(user)})
    if not options.untested:
        await inspect(known.driver(configured(changed)))
    known.database.added_cameras.replace(changed)
    known.audit("SetCameraPassword", f"{added.id}: user {user!r}")
    print(f"the login of camera {added.id} is set; {await known.follow(now=options.now)}")
    return 0


async def _renew_endpoint(known: Known, camera: Camera) -> None:
    """Have a camera found again by the endpoint reference that it has now."""
    old, new = camera.settings.get("endpoint"), await endpoint_of(camera)
    if not old or new in ("", old):
        return
    if any(each.id == camera.id for each in known.config.cameras):
        print(f"its endpoint is {new!r}: write that in the configuration, in place of {old!r}", file=sys.stderr)
        return
    added = known.find_added(camera.id)
    known.database.added_cameras.replace(replace(added, settings=added.settings | {"endpoint": new}))
