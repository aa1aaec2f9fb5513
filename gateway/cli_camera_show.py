"""The action `show` of the command `camera`: what a support engineer would ask for, with secrets left out."""

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from gateway.cli_camera_known import Known
from gateway.config import Camera
from gateway.domain.access import Secret
from gateway.domain.errors import GatewayError
from gateway.rtsp_client import redacted
from gateway.services.camera_adding import inspect
from gateway.services.camera_changes import of_info
from gateway.services.camera_report import clock_in_words, report

MAX_LINES = 20
"""Of the history, and of the errors, that people are shown; `--json` has all."""


async def show(options: argparse.Namespace, known: Known) -> int:
    """Print a camera's settings without secrets, its state, and its history. The camera is asked with --live only."""
    camera = known.find(options.id)
    running = await _running(known, camera)
    past = await known.database.camera_history.of(camera.id)
    shown = {
        "id": camera.id,
        "name": camera.name or camera.id,
        "driver": camera.driver,
        "settings": _settings(known, camera),
        "running": running,
        **report(past, known.clock.utc_ns(), running=running is not None),
    }
    live = await _live(known, camera) if options.live else None
    if live is not None:
        shown["live"] = live
    if options.json:
        print(json.dumps(shown))
    else:
        print("\n".join(_lines(shown)))
    return int(live is not None and "error" in live)


def _settings(known: Known, camera: Camera) -> dict[str, Any]:
    """Return the settings in force, or as they are written where they can't be used from here."""
    try:
        settings = known.driver(camera).settings
    except GatewayError as error:
        return {name: _shown(value) for name, value in camera.settings.items()} | {"(problem)": error.message}
    return {each.name: _shown(getattr(settings, each.name)) for each in fields(settings)}


def _shown(value: object) -> object:
    if isinstance(value, Secret | dict):  # a dict says where a secret is to be had
        return "(set)"
    return redacted(value) if isinstance(value, str) else value if isinstance(value, int | float | None) else str(value)


async def _running(known: Known, camera: Camera) -> dict[str, Any] | None:
    """Return what the running gateway says of a camera, None when there is no such; its history is written then."""
    found = await known.ask("camera", {"id": camera.id})
    return found if isinstance(found, dict) else None


async def _live(known: Known, camera: Camera) -> dict[str, Any]:
    try:
        found = await inspect(known.driver(camera))  # which may not be made here
    except GatewayError as error:
        return {"error": error.message}
    return {"identity": of_info(found.info), "facts": [list(each) for each in found.facts]}


def _about(identity: Mapping[str, str]) -> str:
    parts = [f"{identity['manufacturer']} {identity['model']}".strip()]
    names = {"firmware": "firmware", "serial": "serial number", "hardware": "hardware"}
    return ", ".join([*parts, *(f"{text} {identity[name]}" for name, text in names.items() if identity[name])])


def _lines(shown: Mapping[str, Any]) -> Iterator[str]:
    yield f"{shown['id']}: {shown['name']}, driver {shown['driver']}"
    for name, value in shown["settings"].items():
        yield f"  {name:20} {'' if value is None else value}".rstrip()
    yield from _state(shown)
    yield from _known(shown)
    yield from _section("errors", [f"{each['last']} {each['count']} x {each['error']}" for each in shown["errors"]])
    lines = [f"{each['time']} {each['text']}" for each in shown["history"]]
    yield from _section("history", lines[-MAX_LINES:])
    if live := shown.get("live"):
        yield f"camera now: {live.get('error') or _about(live['identity'])}"
        for label, value in live.get("facts", ()):
            yield f"  {label:20} {value}"


def _state(shown: Mapping[str, Any]) -> Iterator[str]:
    running = shown["running"]
    lost = f", away since {shown['lost_since']}" if shown["lost_since"] else ""
    yield f"state {running['state'] if running else 'not running'}{lost}"
    for profile in running["profiles"] if running else ():
        picture = f"{profile['video']} {profile['width']}x{profile['height']} {profile['frame_rate']:g}/s"
        yield f"  {profile['name']:20} {profile['state']} {picture} {profile['path']}"
    for each in running["recordings"] if running else ():
        extent = f"{each['from']} to {each['until']}" if each["from"] else "nothing yet"
        yield f"  recording {each['recording']:20} {each['state']}, {extent}"
    yield f"last seen {shown['last_seen'] or 'never'}"
    for window, percent in shown["uptime"].items():
        if percent is not None:
            yield f"  up in {window:14} {percent:.2f} %, losses: {shown['losses'][window]}"


def _known(shown: Mapping[str, Any]) -> Iterator[str]:
    if identity := shown["identity"]:
        yield f"camera {_about(identity)}; since {identity['since']}"
    if capabilities := shown["capabilities"]:
        yield f"  {'has':20} {', '.join(capabilities['names'])}"
    if clock := shown["clock"]:
        yield f"  {'clock':20} {clock_in_words(clock['offset'])}; since {clock['since']}"
    if shown["login_changed"]:
        yield f"  {'login as it is since':20} {shown['login_changed']}"
    for name, stream in shown["streams"].items():
        yield f"  {name:20} {stream['video']} {stream['width']}x{stream['height']}; since {stream['since']}"


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield title
        yield from (f"  {line}" for line in lines[:MAX_LINES])
