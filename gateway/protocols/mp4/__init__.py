"""Segment files: fragmented MP4 written, read and scanned, and plain MP4 made of it (ISO/IEC 14496-12 and -15)."""
