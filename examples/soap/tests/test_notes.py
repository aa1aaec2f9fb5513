"""The service by itself, called as the gateway calls it."""

import pytest
from gateway_notes import MAX_NOTES, NAMESPACE, NotesService

from gateway.onvif.faults import SoapFault
from gateway.testing.soap import SoapBench


@pytest.fixture
def bench() -> SoapBench:
    return SoapBench(NotesService())


async def add(bench: SoapBench, text: str) -> str:
    answer = await bench.call(f"<AddNote xmlns='{NAMESPACE}'><Text>{text}</Text></AddNote>")
    return answer.findtext("{*}AddNoteResult")


async def test_notes_are_kept_with_their_authors(bench: SoapBench) -> None:
    assert [await add(bench, text) for text in ("gate open", "all quiet")] == ["1", "2"]
    answer = await bench.call(f"<GetNotes xmlns='{NAMESPACE}'/>")
    found = [(note.findtext("{*}Author"), note.findtext("{*}Text")) for note in answer]
    assert found == [("admin", "gate open"), ("admin", "all quiet")]


async def test_the_oldest_are_forgotten(bench: SoapBench) -> None:
    for number in range(MAX_NOTES + 5):
        await add(bench, f"note {number}")
    answer = await bench.call(f"<GetNotes xmlns='{NAMESPACE}'/>")
    assert len(answer) == MAX_NOTES
    assert answer[0].findtext("{*}Text") == "note 5"


async def test_a_long_note_is_refused(bench: SoapBench) -> None:
    with pytest.raises(SoapFault, match="maxLength"):
        await add(bench, "x" * 501)
