"""The repository keeps what its documents promise."""

import argparse
import configparser
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import parser
from gateway.sdk import hooks

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PLUGINS = {path.name for path in (ROOT / "plugins").iterdir() if (path / "__init__.py").is_file()}

# Put together from parts, so that this file does not contain them.
FORBIDDEN = tuple("".join(parts) for parts in (("..", "/shared"), ("/", "work/"), ("house", ".md"), ("/opt/", "pypi")))
KNOWN_HOSTS = re.compile(
    r"(([\w-]+\.)?(onvif|w3|xmlsoap|oasis-open|keepachangelog|semver|toml|apache|python)\.(org|com|io))"
    r"|schemas\.microsoft\.com|([\w.-]+\.)?(example|invalid|test)(\.\w+)?|localhost"
    r"|\[?[0-9a-f:]*::[0-9a-f:]*(%\w+)?\]?|127\.[\d.]+|10\.[\d.]+|169\.254\.[\d.]+|172\.(1[6-9]|2\d|3[01])\.[\d.]+|192\.168\.[\d.]+"
    r"|192\.0\.2\.\d+|198\.51\.100\.\d+|203\.0\.113\.\d+",
    re.IGNORECASE,
)


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def markdown() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def contracts() -> configparser.ConfigParser:
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / ".importlinter")
    return parsed


def listed(section: str, key: str) -> set[str]:
    return set(contracts()[f"importlinter:contract:{section}"][key].split())


def test_every_plugin_is_an_entry_point_and_is_in_the_wheel() -> None:
    assert set(PROJECT["project"]["entry-points"]["gateway"].values()) == PLUGINS
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) == {"gateway", *(f"plugins/{name}" for name in PLUGINS)}


def test_every_plugin_is_held_by_the_contracts() -> None:
    assert set(contracts()["importlinter"]["root_packages"].split()) == {"gateway", *PLUGINS}
    assert listed("plugins-use-the-public-floor", "source_modules") == PLUGINS
    assert listed("plugins-are-strangers", "modules") == PLUGINS
    assert listed("gateway-names-no-plugin", "forbidden_modules") == PLUGINS


def test_plugins_may_use_four_rooms() -> None:
    rooms = {f"gateway.{path.stem}" for path in (ROOT / "gateway").iterdir() if path.stem not in {"__init__", "py"}}
    closed = listed("plugins-use-the-public-floor", "forbidden_modules")
    open_rooms = {room for room in rooms if not room.endswith("__pycache__")} - closed
    assert open_rooms == {"gateway.domain", "gateway.sdk", "gateway.protocols", "gateway.rtsp_client"}


def test_spyne_has_one_home() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path, text in texts()
        if path.suffix == ".py" and re.search(r"^\s*(import|from) spyne\b", text, re.MULTILINE)
    }
    assert {name for name in users if name.startswith(("gateway/", "plugins/"))} == {
        "gateway/onvif/vendor.py",
        "gateway/sdk/soap_types.py",
    }


def test_every_hook_is_documented() -> None:
    page = (ROOT / "docs/guide/plugins.md").read_text()
    names = [name for name in vars(hooks) if name.startswith("gateway_")]
    assert names
    assert [name for name in names if f"## `{name}`" not in page] == []


def test_every_command_and_option_is_documented() -> None:
    page = (ROOT / "docs/reference/cli.md").read_text()
    words = set(words_of(parser()))
    assert {"run", "--demo", "probe", "--seconds"} <= words
    assert sorted(word for word in words if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", page)) == []


def words_of(command: argparse.ArgumentParser) -> Iterator[str]:
    for action in command._actions:
        yield from (option for option in action.option_strings if option.startswith("--"))
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield name
                yield from words_of(inner)


@pytest.mark.parametrize("page", markdown(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_resolves(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_nothing_names_the_machine_it_was_written_on() -> None:
    found = [(str(path.relative_to(ROOT)), word) for path, text in texts() for word in FORBIDDEN if word in text]
    assert found == []


def test_no_file_names_a_host_that_it_need_not() -> None:
    found = {
        (str(path.relative_to(ROOT)), host)
        for path, text in texts()
        if "corpus" not in path.parts
        for host in re.findall(r"\b(?:https?|rtsps?|wss?)://(?:[^/\s@\"'`{}]*@)?([\w.-]+\.[a-z]{2,})\b", text)
        if not KNOWN_HOSTS.fullmatch(host)
    }
    assert found == set()


def test_every_dependency_is_locked_and_its_licence_named() -> None:
    locked = {name(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    runtime = {name(dependency) for dependency in PROJECT["project"]["dependencies"]}
    extras = PROJECT["project"]["optional-dependencies"]
    tools = {name(dependency) for extra in extras.values() for dependency in extra}
    assert runtime | tools <= locked
    page = (ROOT / "docs/reference/licences.md").read_text().lower()
    assert sorted(package for package in runtime if package not in page) == []


def name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


def test_peers_are_pinned() -> None:
    for file in (ROOT / "tests/peers/requirements").iterdir():
        assert all("==" in line for line in file.read_text().split("\n") if line), file.name


def test_every_tracked_program_is_executable() -> None:
    scripts = [path for path, text in texts() if text.startswith("#!")]
    assert [str(path) for path in scripts if not path.stat().st_mode & 0o100] == []
