"""Writes constraints.txt: the newest versions that pyproject.toml allows, on each of the Pythons named."""

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
EXTRAS = ("dev", "test")
BUILD = "editables"  # what hatchling asks for to install the tree itself
HEADER = """\
# The versions that the gateway is tested with, on Python 3.11, 3.12 and 3.13: pip install -c constraints.txt …
# Lower bounds are in pyproject.toml. `make lock` writes this file anew.
"""


def requirements() -> list[str]:
    """Return what the project asks for, with its development tools."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(requirement for extra in EXTRAS for requirement in extras[extra]), BUILD]


def resolve(version: str) -> dict[str, str]:
    """Return name → version as pip resolves them on one Python; `scripts/setup which-python` knows where it is."""
    python = subprocess.run(
        ["scripts/setup", "which-python", version], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", folder], check=True)
        report = subprocess.run(
            [f"{folder}/bin/pip", "install", "-q", "--dry-run", "--report", "-", *requirements()],
            check=True,
            capture_output=True,
        ).stdout
    return {
        entry["metadata"]["name"].lower().replace("_", "-"): entry["metadata"]["version"]
        for entry in json.loads(report)["install"]
    }


def merge(locks: dict[str, dict[str, str]]) -> list[str]:
    """Return the lines of the file; a marker stands where the Pythons need different versions."""
    pythons = list(locks)
    lines = []
    for name in sorted({name for lock in locks.values() for name in lock}):
        versions = [locks[python].get(name) for python in pythons]
        for version in dict.fromkeys(versions):
            holders = [python for python, held in zip(pythons, versions, strict=True) if held == version]
            if version is not None:
                lines.append(f"{name}=={version}{_marker(holders, pythons)}")
    return lines


def _marker(holders: list[str], pythons: list[str]) -> str:
    bounds = []
    if holders[0] != pythons[0]:
        bounds.append(f"python_version >= '{holders[0]}'")
    if holders[-1] != pythons[-1]:
        bounds.append(f"python_version < '{pythons[pythons.index(holders[-1]) + 1]}'")
    return f" ; {' and '.join(bounds)}" if bounds else ""


if __name__ == "__main__":
    locks = {version: resolve(version) for version in sys.argv[1:]}
    (ROOT / "constraints.txt").write_text(HEADER + "".join(f"{line}\n" for line in merge(locks)))
