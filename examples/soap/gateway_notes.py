"""A SOAP service of one's own for the ONVIF VMS gateway: notes that guards leave for the next shift."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from gateway.domain.access import AccessClass
from gateway.sdk.hooks import hookimpl
from gateway.sdk.soap import SoapService

NAMESPACE = "http://guards.example.com/notes/1"
MAX_NOTES = 100
"""The oldest ones are forgotten."""


class NotesService(SoapService):
    """`AddNote` for operators, `GetNotes` for everybody with a login."""

    namespace = NAMESPACE
    access: ClassVar[Mapping[str, AccessClass]] = {
        "AddNote": AccessClass.ACTUATE,
        "GetNotes": AccessClass.READ_SYSTEM,
    }

    def __init__(self) -> None:
        self.notes: deque[tuple[str, str]] = deque(maxlen=MAX_NOTES)
        """Author and text, the newest last."""

    def operations(self) -> Sequence[type]:
        """Declare them; the types take a while to load, so they are loaded here."""
        from gateway.sdk.soap_types import ComplexModel, Integer, ServiceBase, Unicode, rpc

        notes = self.notes
        text = Unicode(max_len=500, min_occurs=1, nillable=False)

        class Note(ComplexModel):
            __namespace__ = NAMESPACE
            _type_info = [("Author", text), ("Text", text)]

        class Notes(ServiceBase):
            @rpc(text, _returns=Integer(min_occurs=1, nillable=False))
            async def AddNote(ctx: Any, Text: str) -> int:
                notes.append((ctx.udc.account.name, Text))
                return len(notes)

            @rpc(_returns=Note.customize(min_occurs=0, max_occurs="unbounded", nillable=False))
            async def GetNotes(ctx: Any) -> list[Note]:
                return [Note(Author=author, Text=text) for author, text in notes]

        return (Notes,)


@hookimpl
def gateway_register_soap_services() -> dict[str, type[SoapService]]:
    return {"notes": NotesService}
