"""What the kernel says of a process: CPU time and memory."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU time since the start in seconds, memory in MB."""

    cpu: float
    resident: float
    peak: float


def usage(pid: int) -> Usage:
    """Return the use of a process, all its threads together (nanoseconds of the scheduler, not ticks)."""
    nanoseconds = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            nanoseconds += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:
            continue  # a thread that has just ended
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    megabytes = {key: int(status[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM")}
    return Usage(nanoseconds / 1e9, megabytes["VmRSS"], megabytes["VmHWM"])
