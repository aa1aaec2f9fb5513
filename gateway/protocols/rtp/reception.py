"""What a receiver tells a sender: loss, jitter and delay of one source (RFC 3550 §6.4.1, Appendix A)."""

from gateway.protocols.rtp import ntp
from gateway.protocols.rtp.rtcp import ReportBlock

_SEQUENCE_MASK = 0xFFFF


class Reception:
    """Counts the packets of one track, a whole access unit at a time."""

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self.ssrc: int | None = None
        self._restart(0)
        self._sender_report = 0
        self._sender_report_ns = 0

    def _restart(self, ssrc: int) -> None:
        self._source = ssrc
        self._first = 0
        self._highest = 0
        self._received = 0
        self._expected_before = 0
        self._received_before = 0
        self._transit: int | None = None
        self._jitter = 0.0

    def unit(self, ssrc: int, last_sequence: int, count: int, rtp_time: int, arrival_ns: int) -> None:
        """Count `count` packets that came in order up to `last_sequence`; `rtp_time` is unwrapped."""
        if ssrc != self.ssrc:
            self._restart(ssrc)
            self.ssrc = ssrc
            self._highest = last_sequence
            self._first = last_sequence - count + 1
        step = (last_sequence - self._highest) & _SEQUENCE_MASK
        if step <= _SEQUENCE_MASK >> 1:
            self._highest += step
        self._received += count
        transit = arrival_ns * self._clock_rate // ntp.NS - rtp_time
        if self._transit is not None:
            self._jitter += (abs(transit - self._transit) - self._jitter) / 16
        self._transit = transit

    def sender_report(self, ntp_time: int, arrival_ns: int) -> None:
        """Take note of the sender's last report, which the next report of ours refers to."""
        self._sender_report = ntp.middle(ntp_time)
        self._sender_report_ns = arrival_ns

    def report(self, now_ns: int) -> ReportBlock | None:
        """Return the block for the next receiver report, or None while nothing was received."""
        if self.ssrc is None:
            return None
        expected = self._highest - self._first + 1
        new = expected - self._expected_before
        lost = new - (self._received - self._received_before)
        self._expected_before, self._received_before = expected, self._received
        return ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=min(max(lost, 0) * 256 // new, 255) if new > 0 else 0,
            total_lost=min(max(expected - self._received, -0x800000), 0x7FFFFF),
            highest_sequence=self._highest,
            jitter=int(self._jitter),
            last_report=self._sender_report,
            delay=max((now_ns - self._sender_report_ns) * 65536 // ntp.NS, 0) if self._sender_report else 0,
        )
