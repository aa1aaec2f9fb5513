"""The operations of the service `gateway`, declared with spyne."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from gateway.sdk.soap_types import ComplexModel, DateTime, Integer, ServiceBase, Unicode, rpc
from gateway_extension.service import NAMESPACE

_NS = 1_000_000_000
_Text = Unicode(min_occurs=1, nillable=False)
_Time = DateTime(min_occurs=1, nillable=False)
_Whole = Integer(min_occurs=1, nillable=False)


class Camera(ComplexModel):
    """One camera."""

    __namespace__ = NAMESPACE
    _type_info = [("Id", _Text), ("Name", _Text), ("State", _Text)]


class CameraEntry(ComplexModel):
    """What a camera was from some time on, or how it was lost."""

    __namespace__ = NAMESPACE
    _type_info = [("Time", _Time), ("Kind", _Text), ("Text", _Text)]


class Storage(ComplexModel):
    """One storage; sizes in bytes."""

    __namespace__ = NAMESPACE
    _type_info = [
        *(("Id", _Text), ("State", _Text), ("Cause", _Text)),
        *(("Capacity", _Whole), ("Free", _Whole), ("Used", _Whole)),
    ]


class Hold(ComplexModel):
    """A range of a recording that nothing deletes."""

    __namespace__ = NAMESPACE
    _type_info = [
        *(("Id", _Text), ("Recording", _Text), ("From", _Time), ("To", _Time)),
        *(("Reason", _Text), ("CreatedBy", _Text)),
    ]


class Status(ComplexModel):
    """The gateway."""

    __namespace__ = NAMESPACE
    _type_info = [
        *(("Version", _Text), ("Started", _Time)),
        *(("Cameras", _Whole), ("CamerasOnline", _Whole), ("Storages", _Whole), ("StoragesOk", _Whole)),
    ]


def _many(model: Any) -> Any:  # noqa: ANN401 - spyne's types have none
    return model.customize(min_occurs=0, max_occurs="unbounded", nillable=False)


def _moment(utc_ns: int) -> datetime:
    return datetime.fromtimestamp(utc_ns / _NS, UTC)


def _ns(moment: datetime) -> int:
    """Return UTC nanoseconds; a time without a zone is UTC, as everywhere in ONVIF."""
    whole = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(whole.timestamp() * 1000) * (_NS // 1000)


class Operations(ServiceBase):
    """The operations, as spyne takes them: `ctx.udc` is the call."""

    @rpc(_returns=Status.customize(min_occurs=1, nillable=False))
    async def GetStatus(ctx: Any) -> Status:
        gateway = ctx.udc.gateway
        cameras, storages = gateway.cameras(), await gateway.storages()
        return Status(
            Version=version("onvif-vms-gateway"),
            Started=_moment(gateway.started_ns()),
            Cameras=len(cameras),
            CamerasOnline=sum(camera.state == "online" for camera in cameras),
            Storages=len(storages),
            StoragesOk=sum(storage["state"] == "ok" for storage in storages),
        )

    @rpc(_returns=_many(Camera))
    async def GetCameras(ctx: Any) -> list[Camera]:
        return [Camera(Id=each.id, Name=each.name, State=str(each.state)) for each in ctx.udc.gateway.cameras()]

    @rpc(_Text, _returns=_many(CameraEntry))
    async def GetCameraHistory(ctx: Any, Camera: str) -> list[CameraEntry]:
        return [
            CameraEntry(Time=datetime.fromisoformat(each["time"]), Kind=each["kind"], Text=each["text"])
            for each in await ctx.udc.gateway.camera_history(Camera)
        ]

    @rpc(_returns=_many(Storage))
    async def GetStorages(ctx: Any) -> list[Storage]:
        return [_storage(each) for each in await ctx.udc.gateway.storages()]

    @rpc(_returns=_many(Hold))
    async def GetHolds(ctx: Any) -> list[Hold]:
        return [
            Hold(
                Id=each.id,
                Recording=each.recording,
                From=_moment(each.span.start_ns),
                To=_moment(each.span.end_ns),
                Reason=each.reason,
                CreatedBy=each.created_by,
            )
            for each in await ctx.udc.gateway.holds()
        ]

    @rpc(
        _Text, _Time, _Time, Unicode(min_occurs=0, nillable=False), _in_variable_names={"From_": "From"}, _returns=_Text
    )
    async def AddHold(ctx: Any, Recording: str, From_: datetime, To: datetime, Reason: str | None) -> str:
        return str(await ctx.udc.gateway.add_hold(ctx.udc, Recording, _ns(From_), _ns(To), Reason or ""))

    @rpc(_Text)
    async def RemoveHold(ctx: Any, Hold: str) -> None:
        await ctx.udc.gateway.remove_hold(ctx.udc, Hold)


def _storage(listed: Mapping[str, Any]) -> Storage:
    return Storage(
        Id=listed["id"],
        State=listed["state"],
        Cause=listed["cause"],
        Capacity=listed["capacity"],
        Free=listed["free"],
        Used=listed["used"],
    )
