"""The client side of cameras that send media by RTSP, for every driver that needs it."""

from gateway.rtsp_client.player import PlayerOptions, play
from gateway.rtsp_client.replay import replay
from gateway.rtsp_client.talk import RtspBackchannel, find_backchannel
from gateway.rtsp_client.url import CameraUrl, parse, redacted

__all__ = ["CameraUrl", "PlayerOptions", "RtspBackchannel", "find_backchannel", "parse", "play", "redacted", "replay"]
