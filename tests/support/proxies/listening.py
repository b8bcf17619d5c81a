"""A socket of our own to listen on, and to stop listening on without losing sight of who has just connected."""

from __future__ import annotations

import asyncio
import socket

_TURNS = 3  # of the loop, from accepted to served: its transport is made, its protocol told, its task begun


def listening() -> socket.socket:
    """A socket on 127.0.0.1, on a port that is free."""
    return socket.create_server(("127.0.0.1", 0))


async def accept_no_more(listener: socket.socket) -> None:
    """To be called before the server of a socket is closed: nobody is accepted any more, and who was is known to it.

    A server of asyncio that is closed in between fails to make that connection's transport, and leaves it open
    without a word (`Server._attach` of Python 3.11).
    """
    asyncio.get_running_loop().remove_reader(listener)
    for _ in range(_TURNS):
        await asyncio.sleep(0)
