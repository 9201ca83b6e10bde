"""What servers of tests read that speak SOAP over bare sockets."""

import socket


def read_envelope(connection: socket.socket, end: bytes = b":Envelope>") -> bytes:
    """A request with everything up to the end of its envelope; empty when the other end is gone."""
    received = b""
    while not received.rstrip().endswith(end):
        part = connection.recv(65_536)
        if not part:
            return b""
        received += part
    return received
