"""The catalogue of the ONVIF contract, read from `wsdl/catalogue.toml`: which documents, and how we treat them."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tomli

from gateway.domain.access import AccessClass

_FOLDERS = (Path(__file__).parent / "wsdl", Path(__file__).parents[2] / "wsdl")
"""In the wheel, and in the source tree."""


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """One ONVIF service of the contract."""

    name: str
    prefix: str
    namespace: str
    document: str
    """Path of its WSDL below the documents' folder."""
    version: tuple[int, int]
    """Major and minor version that GetServices announces."""
    declares: Mapping[str, str]
    """Prefixes that its responses declare on the envelope, with their namespaces."""
    access: tuple[tuple[AccessClass, tuple[str, ...]], ...]

    def access_class(self, operation: str) -> AccessClass:
        """Return the access class of one of its operations (Core §7.9.4.3)."""
        for access, patterns in self.access:
            if any(fnmatchcase(operation, pattern) for pattern in patterns):
                return access
        return AccessClass.UNRECOVERABLE


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All of `catalogue.toml`, checked."""

    folder: Path
    """Where the installed documents are."""
    services: tuple[ServiceEntry, ...]
    checksums: Mapping[str, str]
    """SHA-256 of every document, by path."""
    documents: Mapping[str, tuple[str, ...]]
    """Paths of the documents that declare a namespace."""
    prefixes: Mapping[str, str]
    relaxations: tuple[Mapping[str, str], ...]
    values: Mapping[str, Mapping[str, str]]
    """Misspelt values that requests may carry: type name → wrong → right."""
    optional: Mapping[str, frozenset[str]]
    """Required children that requests may leave out: element name → children."""

    def strangers(self) -> tuple[str, ...]:
        """Return the documents that are missing or differ from the recorded ones."""
        return tuple(
            path
            for path, checksum in self.checksums.items()
            if not (self.folder / path).is_file() or sha256((self.folder / path).read_bytes()).hexdigest() != checksum
        )


@cache
def load_catalogue() -> Catalogue:
    """Read the catalogue. Raises FileNotFoundError when it or the documents' package is not installed."""
    path = next((folder / "catalogue.toml" for folder in _FOLDERS if (folder / "catalogue.toml").is_file()), None)
    if path is None:
        raise FileNotFoundError(f"the contract's catalogue.toml is in none of {', '.join(map(str, _FOLDERS))}")
    data = tomli.loads(path.read_text(encoding="utf-8"))
    services = tuple(_service(entry, data) for entry in data["service"])
    documents: dict[str, tuple[str, ...]] = {}
    for entry in data["service"] + data["document"]:
        documents[entry["namespace"]] = (*documents.get(entry["namespace"], ()), _path(entry))
    return Catalogue(
        folder=_documents(data["package"]),
        services=services,
        checksums={_path(entry): entry["sha256"] for entry in data["service"] + data["document"]},
        documents=documents,
        prefixes=data["prefixes"] | {entry.prefix: entry.namespace for entry in services},
        relaxations=tuple(data["relaxation"]),
        values={entry["type"]: entry["values"] for entry in data["leniency"] if "type" in entry},
        optional={entry["element"]: frozenset(entry["optional"]) for entry in data["leniency"] if "element" in entry},
    )


def _path(entry: Mapping[str, str]) -> str:
    return entry.get("document") or entry["path"]


def _documents(package: Mapping[str, str]) -> Path:
    """Find the package's folder without importing the package, which would bring a SOAP client with it."""
    spec = find_spec(package["module"])
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"the Python package {package['distribution']}, which holds the WSDL files, is missing")
    return Path(spec.submodule_search_locations[0]) / package["folder"]


def _service(entry: Mapping[str, Any], data: Mapping[str, Any]) -> ServiceEntry:
    known = data["prefixes"] | {other["prefix"]: other["namespace"] for other in data["service"]}
    major, minor = entry["version"].split(".")
    return ServiceEntry(
        name=entry["name"],
        prefix=entry["prefix"],
        namespace=entry["namespace"],
        document=entry["document"],
        version=(int(major), int(minor)),
        declares={prefix: known[prefix] for prefix in entry["declares"]},
        access=tuple((AccessClass(name), tuple(patterns)) for name, patterns in data["access"][entry["name"]].items()),
    )
