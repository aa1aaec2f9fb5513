"""Makes docs/reference/operations.md: every ONVIF operation, whether it is implemented, who requires and tests it.

Run `python tests/operations_table.py` to write the page; a test compares it with a fresh one.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from gateway.onvif.analytics import AnalyticsService
from gateway.onvif.context import Service
from gateway.onvif.contract import Contract, Operation, load_contract
from gateway.onvif.device import DeviceService
from gateway.onvif.deviceio import DeviceIOService
from gateway.onvif.events import EventService
from gateway.onvif.imaging import ImagingService
from gateway.onvif.media import MediaService
from gateway.onvif.media2 import Media2Service
from gateway.onvif.ptz import PtzService
from gateway.onvif.receiver import ReceiverService
from gateway.onvif.recording import RecordingService
from gateway.onvif.replay import ReplayService
from gateway.onvif.search import SearchService

SERVICES: tuple[type[Service], ...] = (
    *(DeviceService, MediaService, Media2Service, DeviceIOService, EventService),
    *(RecordingService, SearchService, ReplayService, ReceiverService, AnalyticsService, PtzService, ImagingService),
)
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "operations.md"

_DATA = Path(__file__).parent / "data"
_PROFILES = "STG"
_INTRODUCTION = """\
# ONVIF operations

Made by `python tests/operations_table.py`; a test fails when this page is out of date.

- **Here**: yes when the operation is implemented. Any other operation of these services is answered with
  `env:Receiver/ter:ActionNotSupported`.
- **S**, **T**, **G**: what Profiles S 1.3, T 1.0 and G 1.0 require of a device: M mandatory, C conditional (only if the
  device has the feature).
- **Access**: the access class (ONVIF Core Specification §7.9.4.3).
- OSDs and masks are listed, and creating one is refused with `MaxOSDs` or `MaxMasks`: pictures pass through untouched.
- **Official tests**: ids in ONVIF's device test specifications whose subject is the operation.
- Analytics is announced while motion is on for some camera, PTZ and Imaging while some camera has them.
- Recording, search, replay and receiver are announced while storage is configured. What stands for their official
  tests is listed at the end; tests of metadata search and PTZ search do not apply, since neither is announced, nor do
  those of rules and descriptors for faces, bodies, number plates, vehicles, counted lines, images and places.
- Discovery, login and streaming are listed there too; a test of streaming (RTSS, MEDIA2_RTSS) that is not has none
  here yet.
"""


_FILTERS = """
## Filters of recording searches

A `RecordingInformationFilter` is an XPath expression of the dialect `http://www.onvif.org/ver10/tse/searchFilter` over
`tt:RecordingInformation`, with or without prefixes, in either kind of quotes: `and`, `or`, `not()`, `boolean()`,
`contains()`, the six comparisons, paths and predicates, such as
`boolean(//Track[TrackType = "Video"]) and contains(//Source/Name, "yard")`. Anything else is an `InvalidFilterFault`.

As clients of Milestone's Open Network Bridge do, a window may follow it, separated by commas: a moment in UTC,
milliseconds before it and how many sequences there at most, milliseconds after it and how many there:
`boolean(//tt:Track),2026-01-31T12:00:00Z,86400000,10000,0,0`. The answer is then one RecordingInformation for each
gap-free sequence instead of one for the whole recording.

Recordings are known by their own tokens, by the tokens of the media profiles or receivers that their jobs record, by
those of VideoSources and AudioSources, and by their SourceId: in searches as in GetReplayUri. Times are whole
seconds, rounded outwards.
"""


def render(contract: Contract) -> str:
    """Return the whole page."""
    requirements, tests = _requirements(), _tests()
    parts = [_INTRODUCTION, *_summary(contract, requirements)]
    for service in SERVICES:
        entry = contract.service(service.namespace)
        parts += ["", f"## {entry.name}", "", f"`{entry.namespace}` at `{service.path}`", ""]
        parts += [
            "| Operation | Here | S | T | G | Access | Official tests |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        for operation in contract.operations(service.namespace):
            key = (entry.name, operation.name)
            marks = [requirements.get((profile, *key), "") for profile in _PROFILES]
            here = "yes" if is_implemented(service, operation) else ""
            cells = [operation.name, here, *marks, str(operation.access), " ".join(tests[key])]
            parts.append(f"| {' | '.join(cells)} |".replace("  ", " "))
    parts.append(_FILTERS.rstrip())
    parts += ["", "## What stands for official tests", "", "| Official test | Subject | Here |", "| --- | --- | --- |"]
    parts += [f"| {row['id']} | {row['name']} | `{row['test']}` |" for row in stand_ins()]
    parts += ["", "## What does not apply", "", "| Official test | Subject | Why |", "| --- | --- | --- |"]
    parts += [f"| {row['id']} | {row['name']} | {row['reason']} |" for row in not_applicable()]
    return "\n".join(parts) + "\n"


def not_applicable() -> list[dict[str, str]]:
    """Return official tests whose conditions the gateway does not meet, each with the reason."""
    with (_DATA / "not_applicable.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def official_tests(*services: str) -> set[str]:
    """Return the ids of official tests whose subject is an operation of some services."""
    return {test for (service, _), tests in _tests().items() if service in services for test in tests}


def stand_ins() -> list[dict[str, str]]:
    """Return official tests with the tests of ours, `FILE::NAME`, that check the same."""
    with (_DATA / "stand_ins.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def is_implemented(service: type[Service], operation: Operation) -> bool:
    """Tell whether a service has an operation; the endpoint answers GetServiceCapabilities for all of them."""
    return operation.name == "GetServiceCapabilities" or hasattr(service, operation.name)


def missing(contract: Contract, profile: str) -> list[str]:
    """Return the mandatory operations of a profile that no service here implements, as `service.operation`."""
    by_name = {contract.service(service.namespace).name: service for service in SERVICES}
    return [
        f"{name}.{operation}"
        for (wanted, name, operation), mark in _requirements().items()
        if wanted == profile and mark == "M" and name in by_name
        if operation != "GetServiceCapabilities" and not hasattr(by_name[name], operation)
    ]


def _summary(contract: Contract, requirements: Mapping[tuple[str, str, str], str]) -> Iterator[str]:
    yield "| Service | Implemented | Mandatory for S | for T | for G |"
    yield "| --- | --- | --- | --- | --- |"
    for service in SERVICES:
        operations = contract.operations(service.namespace)
        have = {operation.name for operation in operations if is_implemented(service, operation)}
        name = contract.service(service.namespace).name
        counts = (_count(have, requirements, profile, name) for profile in _PROFILES)
        yield f"| {name} | {len(have)} of {len(operations)} | {' | '.join(counts)} |"


def _count(have: Iterable[str], requirements: Mapping[tuple[str, str, str], str], profile: str, service: str) -> str:
    wanted = {key[2] for key, mark in requirements.items() if key[:2] == (profile, service) and mark == "M"}
    return f"{len(wanted & set(have))} of {len(wanted)}" if wanted else "none"


def _requirements() -> dict[tuple[str, str, str], str]:
    with (_DATA / "profile_operations.csv").open(encoding="utf-8", newline="") as file:
        return {(row["profile"], row["service"], row["operation"]): row["requirement"] for row in csv.DictReader(file)}


def _tests() -> defaultdict[tuple[str, str], list[str]]:
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    with (_DATA / "device_tests.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["service"], row["operation"]].append(row["id"])
    return found


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(render(load_contract()), encoding="utf-8")
