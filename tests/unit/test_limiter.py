"""The limiter blocks guessing, and nobody else."""

import pytest

from gateway.services import limiter as module
from gateway.services.limiter import FAILURES, FORGIVEN, LONGEST_BLOCK, WINDOW, FailureLimiter, parse_address, site


def fail(limiter: FailureLimiter, now: float, *, times: int = FAILURES, address: str = "10.0.0.1") -> bool:
    return [limiter.failed(address, now) for _ in range(times)][-1]


def test_ten_guesses_are_free_and_the_twentieth_blocks() -> None:
    limiter = FailureLimiter()
    assert not fail(limiter, 0.0, times=19)
    assert not limiter.blocked("10.0.0.1", 0.0)
    assert fail(limiter, 1.0, times=1)
    assert limiter.blocked("10.0.0.1", 15.9)
    assert not limiter.blocked("10.0.0.1", 16.0)
    assert not limiter.blocked("10.0.0.2", 1.0)


def test_failures_leave_the_window() -> None:
    limiter = FailureLimiter()
    fail(limiter, 0.0, times=19)
    assert not fail(limiter, WINDOW + 1, times=1)


def test_success_clears() -> None:
    limiter = FailureLimiter()
    fail(limiter, 0.0, times=19)
    limiter.succeeded("10.0.0.1")
    assert not fail(limiter, 0.0, times=19)
    limiter.succeeded("10.9.9.9")


def test_blocks_grow_to_a_limit_and_are_forgiven() -> None:
    limiter, now, lengths = FailureLimiter(), 0.0, []
    for _ in range(7):
        fail(limiter, now)
        lengths.append(limiter._records["10.0.0.1"].blocked_until - now)
        now += lengths[-1]
    assert lengths == [15, 30, 60, 120, 240, LONGEST_BLOCK, LONGEST_BLOCK]
    now += FORGIVEN + 1
    fail(limiter, now)
    assert limiter._records["10.0.0.1"].blocked_until - now == 15


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ADDRESSES", 3)
    limiter = FailureLimiter()
    for last in range(10):
        limiter.failed(f"10.0.0.{last}", 0.0)
    assert list(limiter._records) == ["10.0.0.7", "10.0.0.8", "10.0.0.9"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_site(address: str, expected: str) -> None:
    assert site(address) == expected


def test_no_address() -> None:
    assert parse_address("localhost") is None
