"""Serves the page where a browser gives it the camera."""

import errno
import functools
import http.server
import socket

_LOCAL = ("127.0.0.1", "localhost", "::1")
# Reserved for examples: no packet goes there, but it tells which of the
# machine's addresses others see.
_ELSEWHERE = ("192.0.2.1", 9)


def make_server(page, host="127.0.0.1", port=8000):
    """Returns a server of one page, and the address to open.

    A browser gives the camera to pages on https or localhost alone: under
    another `host`, a phone in the same network may choose or take photos.
    No headers of isolation are sent, as the page computes in one thread.

    Args:
        page: Bytes of the page.
        host: Address to listen at; "0.0.0.0" for all of the machine.
        port: Port to listen at, 0 for one that is free.

    Returns:
        An `http.server.ThreadingHTTPServer`, whose `serve_forever` serves,
        and its address.

    Raises:
        OSError: The port is taken, or the host is none of this machine.

    Example:

    ```python
    server, address = make_server(make_page("model.onnx"), port=0)
    server.serve_forever()
    ```
    """
    handler = functools.partial(_Handler, page)
    try:
        server = http.server.ThreadingHTTPServer((host, port), handler)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None)
        reason = (
            "Another program serves at that port. Choose another --port, or 0 "
            "for one that is free"
            if number == errno.EADDRINUSE
            else f"The page cannot be served there ({error})"
        )
        raise OSError(
            f"{reason}. Received: host={host!r}, port={port}"
        ) from error
    shown = host if host not in ("0.0.0.0", "") else _own_address()
    if host in _LOCAL:
        shown = "localhost"
    return server, f"http://{shown}:{server.server_address[1]}/"


def _own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:  # No network at all.
            return socket.gethostname()
        return probe.getsockname()[0]


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, page, *arguments):
        self._page = page
        super().__init__(*arguments)

    def do_GET(self):
        self._answer(self._page)

    def do_HEAD(self):
        self._answer(b"")

    def _answer(self, body):
        if self.path != "/":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(self._page)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing: the terminal is the user's."""
