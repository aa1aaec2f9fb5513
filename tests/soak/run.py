"""Records numbered cameras while the gateway is killed again and again, and looks for anything that was lost.

`python tests/soak --seconds 600 --kills 20 --cameras 16` prints one JSON object and ends with 1 if anything is wrong:
a frame missing inside a run or changed, or missing from a replay that goes on meanwhile, more missing after a kill than
the GOP that was open, a file that does not begin with a key frame or that ffprobe complains of, an fsck that is not
clean, or a catalogue that differs once it was rebuilt from the files.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from soak.cameras import encoded, number_of
from soak.replays import Replays, is_recorded

from gateway.domain.media import MediaKind
from gateway.protocols.mp4.reader import Sample, read_fragment, read_header
from gateway.protocols.mp4.scan import Scanner

HERE = Path(__file__).parent
GATEWAY = Path(os.environ.get("GATEWAY_PROGRAM") or Path(sys.executable).parent / "gateway")
FLUSH_SECONDS = 1.0
"""What may pass between the key frame that ends a GOP and the GOP's being on the disk, on a busy machine."""

LEAD_SECONDS = 3.0
"""So long is recorded of every camera before it is replayed."""

RECORDING_SECONDS = 30.0
"""So long after the start, and after the end if the last kill was late, may a camera take to be recorded."""

PICTURE = {1, 5}
"""Types of NAL units with a picture in them (H.264 §7.4.1)."""

_NS = 1_000_000_000


@dataclass
class Report:
    """What was found."""

    kills: int = 0
    segments: int = 0
    frames: int = 0
    runs: int = 0
    longest_loss_seconds: float = 0.0
    replays: int = 0
    replayed_frames: int = 0
    problems: list[str] = field(default_factory=list)


class Soak:
    """One recording gateway, its cameras and its directory."""

    def __init__(self, folder: Path, cameras: int, seed: int) -> None:
        self.folder = folder
        self.report = Report()
        self._random = random.Random(seed)
        self._cameras = cameras
        command = (sys.executable, HERE / "cameras.py", "--cameras", str(cameras))
        self._farm = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._farm.stdout is not None
        self.farm: dict[str, Any] = json.loads(self._farm.stdout.readline())
        self._write_configuration(cameras)
        self._kills: list[int] = []
        """When, in nanoseconds."""
        self._sent = [[unit for unit in picture if unit[0] & 31 in PICTURE] for picture in encoded()]

    def record(self, seconds: float, kills: int, players: int) -> None:
        """Record for a time, with so many kills at moments that nobody chose; after the last one, replay meanwhile."""
        begin = time.monotonic()
        moments = sorted(self._random.uniform(0.05, 0.95) * seconds for _ in range(kills))
        gateway = self._start()
        before: set[Path] = set()
        for moment in moments:
            time.sleep(max(0.0, begin + moment - time.monotonic()))
            self._kills.append(time.time_ns())
            gateway.kill()
            gateway.wait()
            before = self._files()
            gateway = self._start()
        replays = self._replays(gateway, players) if players else None
        time.sleep(max(0.0, begin + seconds - time.monotonic()))
        self._await_recording(before)
        if replays is not None:
            replays.stop()
            self.report.problems += replays.problems
        gateway.send_signal(signal.SIGTERM)
        if gateway.wait(timeout=30) != 0:
            self._wrong(f"the gateway ended with {gateway.returncode}")
        self.report.kills = len(self._kills)

    def _files(self) -> set[Path]:
        return set((self.folder / "archive").rglob("*.mp4"))

    def _await_recording(self, before: set[Path]) -> None:
        """Return when every camera has another file than before, however late the last kill and slow the machine."""
        wanted = {f"Recording_cam{index}" for index in range(self._cameras)}
        deadline = time.monotonic() + RECORDING_SECONDS
        while not wanted <= {file.relative_to(self.folder / "archive").parts[0] for file in self._files() - before}:
            if time.monotonic() > deadline:
                self._wrong(f"not every camera was recorded within {RECORDING_SECONDS} s of the end")
                return
            time.sleep(0.2)

    def _replays(self, gateway: "subprocess.Popen[str]", players: int) -> Replays:
        assert gateway.stdout is not None
        base = json.loads(gateway.stdout.readline())["rtsp"]
        recordings = [f"Recording_cam{index}" for index in range(self._cameras)]
        deadline = time.monotonic() + RECORDING_SECONDS
        while not all(is_recorded(f"{base}/replay/{recording}") for recording in recordings):
            if time.monotonic() > deadline:
                self._wrong(f"not every camera was recorded within {RECORDING_SECONDS} s of the start")
                break
            time.sleep(0.2)
        time.sleep(LEAD_SECONDS)
        return Replays(base, recordings, players, self._replayed)

    def _replayed(self, recording: str, numbers: list[int]) -> None:
        """Take what came of a replay; what is missing was not recorded because of a kill."""
        self.report.replays += 1
        self.report.replayed_frames += len(numbers)
        if not numbers:
            self._wrong(f"a replay of {recording} brought nothing")
        for one, other in pairwise(numbers):
            if other <= one or (other > one + 1 and not self._killed_between(one, other)):
                self._wrong(f"a replay of {recording}: frame {other} comes after frame {one}")

    def check(self) -> Report:
        """Look at all that was recorded."""
        self._farm.kill()
        self._farm.wait()
        self._fsck("--depth", "3")
        before = self._listed()
        files = sorted(self._files())
        self.report.segments = len(files)
        if not files:
            self._wrong("nothing was recorded")
        by_camera: dict[str, list[Path]] = {}
        for file in files:
            by_camera.setdefault(file.relative_to(self.folder / "archive").parts[0], []).append(file)
        for camera, recorded in by_camera.items():
            self._check_frames(camera, recorded)
        for file in files:
            self._check_playable(file)
        for catalogue in self.folder.glob("data/catalogue.db*"):
            catalogue.unlink()
        self._fsck("--repair")
        if self._listed() != before:
            self._wrong("the catalogue rebuilt from the files differs from the one that was kept")
        return self.report

    def _check_frames(self, camera: str, files: list[Path]) -> None:
        """Every run must have every frame; what is missing after a kill is at most the open GOP and the restart."""
        numbers: list[int] = []
        run = -1
        ends: list[int] = []
        for file in files:
            data = file.read_bytes()
            header = read_header(data)
            for fragment in Scanner(lambda offset, size, data=data: data[offset : offset + size]).fragments():
                content = data[fragment.offset : fragment.offset + fragment.size]
                found = [
                    self._number(file, sample)
                    for sample in read_fragment(content, header)
                    if header.description.tracks[sample.track].kind is MediaKind.VIDEO
                ]
                if fragment.offset == header.size and found and found[0] % self.farm["gop"]:
                    self._wrong(f"{file.name}: frame {found[0]}, with which it begins, is no key frame")
                numbers += found
            if (own := int(header.info["run_ns"])) != run:
                run = own
                self.report.runs += 1
                ends.append(len(numbers))
        self.report.frames += len(numbers)
        for one, other in pairwise(numbers):
            if other <= one:
                self._wrong(f"{camera}: frame {other} comes after frame {one}")
            elif other > one + 1:
                self._check_gap(camera, one, other)
        last_kill = max(self._kills, default=0)
        if numbers and self._due(numbers[-1]) < last_kill:
            self._wrong(f"{camera}: nothing was recorded after the last kill")

    def _number(self, file: Path, sample: Sample) -> int:
        """Return the number of a frame, which must be as it was sent."""
        number = number_of(sample.payload)
        if number is None:
            self._wrong(f"{file.name}: a frame without its number")
            return -1
        pictures = [bytes(unit) for unit in sample.payload if unit[0] & 31 in PICTURE]
        if pictures != self._sent[number % self.farm["gop"]]:
            self._wrong(f"{file.name}: frame {number} is not what was sent")
        return number

    def _check_gap(self, camera: str, before: int, after: int) -> None:
        inside = self._killed_between(before, after)
        if not inside:
            self._wrong(f"{camera}: frames {before + 1} to {after - 1} are missing, and there was no kill")
            return
        lost = (inside[0] - self._due(before)) / _NS
        self.report.longest_loss_seconds = max(self.report.longest_loss_seconds, round(lost, 2))
        allowed = self.farm["gop"] / self.farm["fps"] + FLUSH_SECONDS
        if lost > allowed:
            self._wrong(f"{camera}: {lost:.2f} s in front of a kill are missing, more than an open GOP")

    def _killed_between(self, before: int, after: int) -> list[int]:
        return [kill for kill in self._kills if self._due(before) <= kill <= self._due(after)]

    def _due(self, number: int) -> int:
        return int(self.farm["start_ns"] + number * _NS / self.farm["fps"])

    def _check_playable(self, file: Path) -> None:
        command = (
            "ffprobe",
            "-v",
            "error",
            "-select_streams",
            "v",
            "-count_packets",
            "-select_streams",
            "v",
            "-show_entries",
            "stream=nb_read_packets",
            "-of",
            "csv=p=0",
        )
        done = subprocess.run((*command, file), check=False, capture_output=True, text=True)
        if done.stderr or not done.stdout.strip().isdigit():
            self._wrong(f"ffprobe of {file.name}: {done.stderr or done.stdout or 'no stream'}")

    def _start(self) -> "subprocess.Popen[str]":
        command = (GATEWAY, "run", self.folder / "gateway.toml", "--json", "--data", self.folder / "data")
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)

    def _fsck(self, *options: str) -> None:
        done = self._gateway("fsck", *options)
        if done.returncode != 0:
            self._wrong(f"fsck {' '.join(options)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")

    def _listed(self) -> Any:
        done = self._gateway("recordings", "list", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    def _gateway(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        options = ("--config", self.folder / "gateway.toml", "--data", self.folder / "data")
        return subprocess.run((GATEWAY, *arguments, *options), check=False, capture_output=True, text=True)

    def _wrong(self, sentence: str) -> None:
        self.report.problems.append(sentence)

    def _write_configuration(self, cameras: int) -> None:
        sections = "".join(
            f'[[camera]]\nid = "cam{index}"\ndriver = "rtsp"\n'
            f'[camera.settings]\nmain = "rtsp://127.0.0.1:{self.farm["port"]}/cam{index}"\n'
            for index in range(cameras)
        )
        (self.folder / "archive").mkdir()
        (self.folder / "gateway.toml").write_text(
            '[http]\nlisten = "127.0.0.1:0"\n[rtsp]\nlisten = "127.0.0.1:0"\n[discovery]\nenabled = false\n'
            '[access]\nanonymous_viewers = ["127.0.0.0/8"]\n'
            f'[multicast]\nenabled = false\n{sections}[[storage]]\nid = "disk"\n[storage.settings]\npath = "archive"\n'
        )
        done = self._gateway("storage", "format", "disk", "--confirm", "disk")
        if done.returncode != 0:
            self._wrong(f"storage format: {done.stderr}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="how long to record (default 600)")
    parser.add_argument("--kills", type=int, default=20, help="how often to kill the gateway (default 20)")
    parser.add_argument("--cameras", type=int, default=16, help="how many cameras (default 16)")
    parser.add_argument("--replays", type=int, default=0, help="how many replays go on meanwhile (default none)")
    parser.add_argument("--seed", type=int, default=None, help="the same moments again")
    parser.add_argument("--folder", type=Path, help="an empty directory to keep everything in")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        soak = Soak(folder, options.cameras, seed)
        soak.record(options.seconds, options.kills, options.replays)
        report = soak.check()
    print(json.dumps({"seed": seed, **vars(report)}, indent=1))  # noqa: T201
    return int(bool(report.problems))


if __name__ == "__main__":
    sys.exit(main())
