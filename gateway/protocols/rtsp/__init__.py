"""RTSP 1.0 (RFC 2326) without I/O: messages, headers, URLs, the session's states and the HTTP tunnel."""
