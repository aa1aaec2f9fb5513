"""The configuration: TOML checked into frozen values, every error at once and by its key's path."""

from gateway.config.checking import did_you_mean
from gateway.config.loading import ConfigError, data_directory, from_table, load, settings_for
from gateway.config.sections import (
    Access,
    Camera,
    CameraMotion,
    Config,
    Database,
    Discovery,
    Gateway,
    Http,
    Motion,
    Multicast,
    Plugins,
    Recording,
    Retention,
    Rtsp,
    Sink,
    Storage,
    Tls,
    Zone,
)
from gateway.config.values import ListenAddress, parse_listen

__all__ = [
    "Access",
    "Camera",
    "CameraMotion",
    "Config",
    "ConfigError",
    "Database",
    "Discovery",
    "Gateway",
    "Http",
    "ListenAddress",
    "Motion",
    "Multicast",
    "Plugins",
    "Recording",
    "Retention",
    "Rtsp",
    "Sink",
    "Storage",
    "Tls",
    "Zone",
    "data_directory",
    "did_you_mean",
    "from_table",
    "load",
    "parse_listen",
    "settings_for",
]
