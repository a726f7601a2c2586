"""A device on a plain socket: stdin goes to the gateway, what the gateway says to stdout, until it closes.

    tcp.py HOST PORT

A connection that is reset instead of closed is an error.
"""

import os
import select
import socket
import sys

STDIN, STDOUT = 0, 1


def main(host, port):
    with socket.create_connection((host, int(port))) as connection:
        sources = [STDIN, connection]
        while True:
            ready, _, _ = select.select(sources, [], [])
            if connection in ready:
                heard = connection.recv(4096)
                if not heard:
                    return
                os.write(STDOUT, heard)
            if STDIN in ready:
                said = os.read(STDIN, 4096)
                if said:
                    connection.sendall(said)
                else:
                    sources.remove(STDIN)


main(*sys.argv[1:])
