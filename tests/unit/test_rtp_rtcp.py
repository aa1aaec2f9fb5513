"""RTCP packets, reception statistics and the timeline."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.protocols.rtp import ntp, rtcp
from gateway.protocols.rtp.reception import Reception
from gateway.protocols.rtp.timeline import CameraClock, Timeline

SECOND = ntp.NS
NOW = 1_800_000_000 * SECOND

u32 = st.integers(0, 0xFFFFFFFF)
reports = st.lists(
    st.builds(rtcp.ReportBlock, u32, st.integers(0, 255), st.integers(-0x800000, 0x7FFFFF), u32, u32, u32, u32),
    max_size=3,
).map(tuple)
packets = st.one_of(
    st.builds(rtcp.SenderReport, u32, st.integers(0, 2**64 - 1), u32, u32, u32, reports),
    st.builds(rtcp.ReceiverReport, u32, reports),
    st.builds(rtcp.SourceDescription, u32, st.text(max_size=40)),
    st.builds(rtcp.Bye, st.lists(u32, max_size=4).map(tuple)),
)


@given(st.lists(packets, max_size=4))
def test_a_compound_comes_back_as_it_was(compound: list[rtcp.RtcpPacket]) -> None:
    data = rtcp.serialize(compound)
    assert len(data) % 4 == 0
    assert list(rtcp.parse(data)) == compound


@given(st.binary(max_size=100))
def test_any_bytes_are_survived(data: bytes) -> None:
    list(rtcp.parse(data))
    list(rtcp.parse(b"\x81\xc8" + data))


def test_loss_is_counted_since_the_last_report() -> None:
    reception = Reception(90_000)
    assert reception.report(NOW) is None
    reception.unit(7, 10, 11, 0, NOW)
    first = reception.report(NOW)
    assert (first.ssrc, first.fraction_lost, first.total_lost, first.highest_sequence) == (7, 0, 0, 10)
    reception.unit(7, 20, 5, 3600, NOW + SECOND // 25)
    second = reception.report(NOW)
    assert (second.fraction_lost, second.total_lost, second.highest_sequence) == (128, 5, 20)
    assert reception.report(NOW).fraction_lost == 0


def test_the_sequence_runs_on_past_its_wrap() -> None:
    reception = Reception(90_000)
    reception.unit(7, 65_535, 1, 0, NOW)
    reception.unit(7, 0, 1, 0, NOW)
    report = reception.report(NOW)
    assert (report.highest_sequence, report.total_lost) == (65_536, 0)


def test_a_new_source_starts_anew() -> None:
    reception = Reception(90_000)
    reception.unit(7, 100, 1, 0, NOW)
    reception.unit(8, 5000, 1, 0, NOW)
    report = reception.report(NOW)
    assert (report.ssrc, report.highest_sequence, report.total_lost) == (8, 5000, 0)


def test_jitter_is_in_units_of_the_timestamp() -> None:
    reception = Reception(8000)
    reception.unit(1, 1, 1, 0, NOW)
    reception.unit(1, 2, 1, 160, NOW + 20_000_000 + 16_000_000)
    assert reception.report(NOW).jitter == 8


def test_the_delay_since_the_last_sender_report() -> None:
    reception = Reception(8000)
    reception.unit(1, 1, 1, 0, NOW)
    reception.sender_report(0x1122_3344_5566_7788, NOW)
    report = reception.report(NOW + SECOND // 2)
    assert (report.last_report, report.delay) == (0x3344_5566, 32_768)


def test_without_reports_the_earliest_arrival_counts() -> None:
    timeline = Timeline(90_000, CameraClock())
    assert timeline.capture(0, NOW)[1] == NOW
    assert timeline.capture(90_000, NOW + SECOND - 1000)[1] == NOW + SECOND - 1000
    late = timeline.capture(180_000, NOW + 2 * SECOND + 10_240_000)[1]
    assert late == NOW + 2 * SECOND - 1000 + 10_000


def test_timestamps_that_start_anew_are_placed_at_their_arrival() -> None:
    timeline = Timeline(90_000, CameraClock())
    timeline.capture(0, NOW)
    assert timeline.capture(90_000 * 1000, NOW + SECOND)[1] == NOW + SECOND


def test_a_report_of_a_camera_with_a_right_clock_is_believed() -> None:
    timeline = Timeline(90_000, CameraClock())
    captured = NOW - SECOND // 10
    timeline.sender_report(ntp.from_utc_ns(captured), 9000, NOW)
    assert abs(timeline.capture(9000 + 90_000, NOW + SECOND)[1] - captured - SECOND) <= 2


def test_a_camera_with_a_wrong_clock_keeps_its_tracks_in_step() -> None:
    clock = CameraClock()
    video, audio = Timeline(90_000, clock), Timeline(8000, clock)
    wrong = NOW - 3 * 3600 * SECOND
    video.sender_report(ntp.from_utc_ns(wrong), 0, NOW)
    audio.sender_report(ntp.from_utc_ns(wrong + SECOND), 0, NOW + SECOND + SECOND // 4)
    assert abs(video.capture(90_000, NOW + SECOND)[1] - audio.capture(0, NOW + SECOND)[1]) <= 4
    assert abs(video.capture(0, NOW)[1] - NOW) <= 2


def test_a_camera_without_a_clock_says_nothing() -> None:
    timeline = Timeline(90_000, CameraClock())
    timeline.sender_report(0, 0, NOW)
    assert timeline.capture(0, NOW + 5)[1] == NOW + 5
