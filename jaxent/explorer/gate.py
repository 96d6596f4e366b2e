"""Check requests to the explorer: they need the token of its address, and must come from a page of this machine.

Every request is checked before it is answered, including static files and the handshake of the websocket:

- its Host is one of `Gate.hosts`, so that names that an attacker points to 127.0.0.1 are refused (DNS rebinding);
- its Origin, if there is one, is a page of the explorer;
- it has the token, in its query or in the cookie that the first page sets.

The cookie holds for this port only, cannot be read by scripts, and is not sent with requests of other sites.
"""

import hmac
import secrets
from typing import Any
from urllib.parse import urlencode

from bokeh.server.tornado import BokehTornado
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

__all__ = ["Gate", "GuardedTornado"]

_NAMES = ("127.0.0.1", "localhost", "[::1]")
_PATHS = ("/", "/ws", "/favicon.ico")
_FILES = "/static/"


class Gate:
    """Check requests against the hosts and the token of the explorer.

    Args:
        port: port of the server.
    """

    def __init__(self, port: int):
        self._token = secrets.token_urlsafe(24)
        self.hosts = [f"{name}:{port}" for name in _NAMES] + (list(_NAMES) if port == 80 else [])
        self.cookie = f"jaxent-explorer-{port}"

    @property
    def token(self) -> str:
        """The secret that a request must have."""
        return self._token

    @property
    def url(self) -> str:
        """The address to open."""
        return f"http://{self.hosts[0]}/?token={self._token}"

    def refusal(self, request: HTTPServerRequest) -> str | None:
        """Return the reason to refuse a request, in one sentence, or None to let it pass."""
        hosts, origins = request.headers.get_list("Host"), request.headers.get_list("Origin")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            return f"The explorer answers at {self.hosts[0]} and {self.hosts[1]} only."
        if any(origin.lower() not in [f"http://{host}" for host in self.hosts] for origin in origins):
            return "The explorer answers its own page only."
        cookie = request.cookies.get(self.cookie)
        if not (self.has_token(request) or (cookie is not None and self._is_token(cookie.value))):
            return "Open the address that jaxent explore has printed, with the token in it (the page sets a cookie)."
        return None

    def has_token(self, request: HTTPServerRequest) -> bool:
        """Check whether the query of a request holds the token."""
        values = request.query_arguments.get("token", [])
        return len(values) == 1 and self._is_token(values[0].decode("latin-1"))

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._token.encode())


class GuardedTornado(BokehTornado):
    """Serve Bokeh's application behind a gate.

    Args:
        applications: as for `BokehTornado`.
        gate: the check that every request must pass.
        options: further arguments of `BokehTornado`.
    """

    def __init__(self, applications: Any, gate: Gate, **options: Any):
        self._gate = gate
        super().__init__(
            applications, extra_websocket_origins=gate.hosts, include_headers=[], include_cookies=[], **options
        )

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any):
        """Choose Bokeh's handler, one that refuses the request, or one that sets the cookie for the token."""
        reason = self._gate.refusal(request)
        if reason is not None:
            return self.get_handler_delegate(request, _Refusal, {"status": 403, "reason": reason})
        if request.path not in _PATHS and not request.path.startswith(_FILES):
            return self.get_handler_delegate(request, _Refusal, {"status": 404, "reason": "There is no such page."})
        if request.path == "/" and self._gate.has_token(request):
            return self.get_handler_delegate(request, _Entrance, {"gate": self._gate})
        return super().find_handler(request, **kwargs)


class _Refusal(RequestHandler):
    """Answer any request with one sentence."""

    def initialize(self, status: int, reason: str) -> None:
        self._status, self._sentence = status, reason

    def prepare(self) -> None:
        self.set_status(self._status)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(self._sentence + "\n")


class _Entrance(RequestHandler):
    """Set the cookie, and redirect to the page without the token in its address, but with all else that is there."""

    def initialize(self, gate: Gate) -> None:
        self._gate = gate

    def get(self) -> None:
        self.set_cookie(self._gate.cookie, self._gate.token, httponly=True, samesite="Lax")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-store")
        entries = self.request.query_arguments.items()
        rest = [(name, one) for name, values in entries if name != "token" for one in values]
        self.redirect("/" + ("?" + urlencode(rest) if rest else ""))
