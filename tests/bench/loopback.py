"""The floor under a relay on this machine: a plain sender of the same frames to as many sockets, with no input.

`python tests/bench/loopback.py --streams 16 --each 4 [--udp]` prints the sender's CPU-seconds per GB as JSON. The
sender runs on one CPU and the receiver, a child of it, on the other, as server and viewers do.
"""

import argparse
import json
import os
import selectors
import socket
import statistics
import struct
import sys
import time
from multiprocessing import Process

from process import usage
from video import FPS, PACKET, frame_sizes

_UDP_SEGMENT = 103
_SOL_UDP = 17
_MAX_SEGMENTS = 40


def pairs(count: int, *, udp: bool) -> tuple[list[socket.socket], list[socket.socket]]:
    """Return so many sending sockets with the receiving ones."""
    senders, receivers = [], []
    with socket.create_server(("127.0.0.1", 0), backlog=count) as listener:
        for _ in range(count):
            if udp:
                receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                receiver.bind(("127.0.0.1", 0))
                receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
                sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                sender.connect(receiver.getsockname())
            else:
                sender = socket.create_connection(listener.getsockname())
                receiver = listener.accept()[0]
                sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            senders.append(sender)
            receivers.append(receiver)
    return senders, receivers


def drain(receivers: list[socket.socket], cpu: int) -> None:
    """Receive and throw away until every sender is gone, or the process is ended."""
    os.sched_setaffinity(0, {cpu})
    selector, buffer, left = selectors.DefaultSelector(), bytearray(1 << 20), len(receivers)
    for receiver in receivers:
        receiver.settimeout(0)
        selector.register(receiver, selectors.EVENT_READ)
    while left:
        for key, _ in selector.select():
            receiver = key.fileobj
            assert isinstance(receiver, socket.socket)
            if not receiver.recv_into(buffer):
                selector.unregister(receiver)
                left -= 1


def send_udp(sender: socket.socket, data: memoryview) -> int:
    """Send a frame as datagrams of one packet each, segmented by the kernel (UDP_SEGMENT)."""
    step = _MAX_SEGMENTS * PACKET
    options = [(_SOL_UDP, _UDP_SEGMENT, struct.pack("=H", PACKET))]
    return sum(sender.sendmsg([data[at : at + step]], options) for at in range(0, len(data), step))


def send_tcp(sender: socket.socket, data: memoryview) -> int:
    """Send a frame with as few calls as the socket allows."""
    sender.sendall(data)
    return len(data)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--each", type=int, default=4)
    parser.add_argument("--udp", action="store_true")
    parser.add_argument("--windows", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--cpus", type=int, nargs=2, default=(0, 1), help="of the sender and of the receiver")
    options = parser.parse_args()
    senders, receivers = pairs(options.streams * options.each, udp=options.udp)
    receiver = Process(target=drain, args=(receivers, options.cpus[1]), daemon=True)
    receiver.start()
    for sock in receivers:
        sock.close()
    os.sched_setaffinity(0, {options.cpus[0]})
    send = send_udp if options.udp else send_tcp
    frames = [memoryview(bytes(size + 18 * -(-size // PACKET))) for size in frame_sizes()]
    groups = [senders[at :: options.streams] for at in range(options.streams)]
    costs = []
    due, turn = time.monotonic(), 0
    for _ in range(options.windows):
        begin, total, until = usage(os.getpid()).cpu, 0, time.monotonic() + options.seconds
        while time.monotonic() < until:
            frame = frames[(turn // options.streams + turn) % len(frames)]
            for sender in groups[turn % options.streams]:
                total += send(sender, frame)
            turn += 1
            due += 1 / FPS / options.streams
            time.sleep(max(0.0, due - time.monotonic()))
        costs.append((usage(os.getpid()).cpu - begin) / (total / 1e9))
    receiver.terminate()
    print(json.dumps({"cpu_seconds_per_gb": statistics.median(costs), "range": (min(costs), max(costs))}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
