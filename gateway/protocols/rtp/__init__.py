"""RTP and RTCP (RFC 3550): packets, access units, codecs' payload formats and sender reports."""
