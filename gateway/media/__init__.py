"""The only home of PyAV: decoding and pictures, in threads."""
