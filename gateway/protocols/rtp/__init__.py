"""RTP and RTCP (RFC 3550) and the payload formats that the gateway looks into."""
