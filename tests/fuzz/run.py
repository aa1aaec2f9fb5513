"""Fuzz the parsers: `python tests/fuzz/run.py [--seconds N] [--seed N] [TARGET…]`.

Every crash is saved in tests/fuzz/crashes/TARGET/; `--replay FILE TARGET` runs one again with its traceback.
"""

import argparse
import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.engine import Crash, fuzz
from fuzz.targets import TARGETS

CRASHES = Path(__file__).parent / "crashes"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all when none is named")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target (default: 60)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed tries the same inputs (default: 1)")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one input and show what it raises")
    options = parser.parse_args()
    if unknown := [name for name in options.targets if name not in TARGETS]:
        parser.error(f"unknown target {unknown[0]!r}; there are {', '.join(TARGETS)}")
    names = options.targets or list(TARGETS)
    if options.replay:
        TARGETS[names[0]].run(options.replay.read_bytes())
        return 0
    return sum(_run(name, options.seed, options.seconds) for name in names) and 1


def _run(name: str, seed: int, seconds: float) -> int:
    report = fuzz(TARGETS[name], seed, seconds=seconds)
    rate = report.executions / max(seconds, 0.001)
    print(  # noqa: T201 - a command prints
        f"{name:18} {report.executions:9} inputs {rate:8.0f}/s {report.kept:5} kept {len(report.crashes):3} crashes",
        flush=True,
    )
    for crash in report.crashes.values():
        print(f"  {crash.complaint}\n    at {crash.place}\n    saved as {_save(crash)}", flush=True)  # noqa: T201
    return len(report.crashes)


def _save(crash: Crash) -> Path:
    path = CRASHES / crash.target / hashlib.sha256(crash.data).hexdigest()[:16]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(crash.data)
    return path


if __name__ == "__main__":
    sys.exit(main())
