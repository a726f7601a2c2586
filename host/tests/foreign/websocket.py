"""A device on a WebSocket: prints what it hears, a line each, and sends what it is told on stdin.

    websocket.py URL TOKEN [AUTHORITY]

A line on stdin is sent as a text message, but for these:

    /ping       a ping of the WebSocket's own; prints /pong once it is answered

What is no text message is printed as:

    /refused STATUS REQUEST_ID      there is no WebSocket
    /closed CODE                    the gateway closed it
"""

import asyncio
import ssl
import sys

import websockets


def refusal(error):
    """The status and the headers of an answer that is no upgrade, whichever release of the package says it."""
    if hasattr(error, "response"):
        return error.response.status_code, error.response.headers
    return error.status_code, error.headers


def headers(token):
    """The token as a header field; releases before 14 call the fields extra, later ones additional."""
    name = "additional_headers" if int(websockets.__version__.split(".")[0]) >= 14 else "extra_headers"
    return {name: {"X-Client-Token": token}}


def say(text):
    print(text, flush=True)


async def stdin():
    """Stdin without a thread, which would still read at the end."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    return reader


async def talk(socket):
    async for line in await stdin():
        line = line.decode().rstrip("\n")
        if line == "/ping":
            await (await socket.ping(b"are you there?"))
            say("/pong")
        else:
            await socket.send(line)


async def main(url, token, authority=None):
    options = headers(token)
    if authority:
        options["ssl"] = ssl.create_default_context(cafile=authority)
    try:
        socket = await websockets.connect(url, **options)
    except websockets.InvalidHandshake as error:
        status, fields = refusal(error)
        say(f"/refused {status} {fields['X-Request-ID']}")
        return
    talking = asyncio.create_task(talk(socket))
    try:
        async for message in socket:
            say(message)
    except websockets.ConnectionClosedError:
        pass
    talking.cancel()
    say(f"/closed {socket.close_code}")


asyncio.run(main(*sys.argv[1:]))
