"""A TCP proxy that counts requests to storage: ``python -m benchmarks.counting --port N --to PORT``.

``GET /counts`` returns ``{"GET": n, …}``. Everything else is forwarded byte for byte, so that signatures stay valid.
"""

import argparse
import asyncio
import json
import re
from collections import Counter

from local.ports import LOOPBACK

REQUEST = re.compile(rb"(GET|PUT|POST|HEAD|DELETE) /\S* HTTP/1\.1\r\n")
PIECE_BYTES = 256 * 1024


class CountingProxy:
    """Counts the request lines at the start of each chunk that a client sends."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self.counts: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection."""
        first = await reader.read(PIECE_BYTES)
        if first.startswith(b"GET /counts "):
            body = json.dumps(self.counts).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            writer.close()
            return
        upstream_reader, upstream_writer = await asyncio.open_connection(LOOPBACK, self._to_port)
        await asyncio.gather(
            self._pump(reader, upstream_writer, first), self._pump(upstream_reader, writer), return_exceptions=True
        )

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: bytes | None = None
    ) -> None:
        try:
            piece = first if first is not None else await reader.read(PIECE_BYTES)
            while piece:
                if first is not None and (match := REQUEST.match(piece)):
                    self.counts[match[1].decode()] += 1
                writer.write(piece)
                await writer.drain()
                piece = await reader.read(PIECE_BYTES)
        finally:
            writer.close()


async def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="Counts the requests to storage.")
    parser.add_argument("--port", type=int, required=True, help="port to listen on")
    parser.add_argument("--to", type=int, required=True, help="port of the storage")
    arguments = parser.parse_args()
    server = await asyncio.start_server(CountingProxy(arguments.to).serve, LOOPBACK, arguments.port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
