"""RTSP 1.0 (RFC 2326): messages, headers and the session's rules."""
