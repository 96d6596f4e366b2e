"""Who may ask the explorer's server: plain HTTP requests and a raw websocket handshake against the real gate."""

import asyncio
import base64
import http.client
import os
import re
import socket
import struct
import threading

import pytest
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets

from jaxent.explorer.gate import Gate
from jaxent.explorer.server import guarded

PATHS = ("/", "/ws", "/static/js/bokeh.min.js", "/favicon.ico", "/metadata", "/autoload.js")


@pytest.fixture(scope="module")
def gate():
    """A served empty page."""
    sockets = bind_sockets(0, "127.0.0.1")
    gate, ready, loops = Gate(sockets[0].getsockname()[1]), threading.Event(), []

    def run():
        asyncio.set_event_loop(asyncio.new_event_loop())
        server = guarded(sockets, gate, lambda document: None)
        server.start()
        loops.append(IOLoop.current())
        loops[0].add_callback(ready.set)
        loops[0].start()
        server.stop()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(30)
    yield gate
    loops[0].add_callback(loops[0].stop)
    thread.join(30)


def port_of(gate: Gate) -> int:
    return int(gate.hosts[0].rsplit(":", 1)[1])


def ask(gate: Gate, path: str = "/", host: str | None = None, method: str = "GET", **headers: str):
    """Status, headers and text of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(gate), timeout=30)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", gate.hosts[0] if host is None else host)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.headers, text


def cookie_of(gate: Gate) -> str:
    return f"{gate.cookie}={gate.token}"


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_answered_without_the_token(gate, path):
    for cookie in ({}, {"Cookie": f"{gate.cookie}={gate.token[:-1]}"}, {"Cookie": f"other={gate.token}"}):
        status, headers, text = ask(gate, path, **cookie)
        assert (status, headers["Content-Type"]) == (403, "text/plain; charset=utf-8")
        assert text.startswith("Open the address that jaxent explore has printed")
    assert ask(gate, f"{path}?token={gate.token[:-1]}")[0] == 403
    assert ask(gate, f"{path}?token=%FF%FE")[0] == 403
    assert ask(gate, f"{path}?token={gate.token}&token={gate.token}")[0] == 403


@pytest.mark.parametrize("path", PATHS)
def test_a_name_that_is_not_ours_is_refused_even_with_the_token(gate, path):
    port = port_of(gate)
    for host in (f"evil.example:{port}", "evil.example", f"127.0.0.1.evil.example:{port}", f"localhost:{port + 1}", ""):
        status, _, text = ask(gate, path, host, Origin=f"http://{host}", Cookie=cookie_of(gate))
        assert (status, text) == (403, f"The explorer answers at 127.0.0.1:{port} and localhost:{port} only.\n")
    for origin in ("http://evil.example", f"http://evil.example:{port}", "null", f"http://localhost:{port + 1}"):
        assert ask(gate, path, Origin=origin, Cookie=cookie_of(gate))[0] == 403
    two_hosts = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil\r\nCookie: {cookie_of(gate)}\r\n\r\n"
    no_host = f"GET {path} HTTP/1.0\r\nCookie: {cookie_of(gate)}\r\n\r\n"
    for request in (two_hosts, no_host):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(request.encode())
            assert re.match(rb"HTTP/1\.\d (403|400)", connection.recv(4096))


def test_the_token_is_changed_for_a_cookie_and_leaves_the_address(gate):
    status, headers, _ = ask(gate, f"/?token={gate.token}")
    assert (status, headers["Location"]) == (302, "/")
    sent = ask(gate, f"/?N=7&token={gate.token}&phi=pi%2F8&q=N%20%2F%2F1")
    assert (sent[0], sent[1]["Location"]) == (302, "/?N=7&phi=pi%2F8&q=N+%2F%2F1")
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=Lax" in headers["Set-Cookie"]
    cookie = headers["Set-Cookie"].split(";")[0]
    assert cookie == cookie_of(gate)
    for host in gate.hosts:  # localhost is what is typed at the other end of ssh -L
        status, _, text = ask(gate, "/", host, Cookie=cookie, Origin=f"http://{host}")
        assert status == 200
        assert "jaxent" not in text  # the session's token holds no cookie
        assert gate.token not in text
    status, _, text = ask(gate, "/static/js/bokeh.min.js", Cookie=cookie)
    assert (status, len(text) > 10**5) == (200, True)
    for path in ("/metadata", "/autoload.js", "/else"):
        assert ask(gate, path, Cookie=cookie)[0] == 404
    assert ask(gate, "/", method="POST", Cookie=cookie)[0] in (403, 405)


def shake_hands(gate: Gate, session: str, **headers: str) -> tuple[int, socket.socket]:
    """Status of a websocket's handshake, and the connection."""
    connection = socket.create_connection(("127.0.0.1", port_of(gate)), timeout=30)
    lines = {
        "Host": gate.hosts[0],
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": f"bokeh, {session}",
    } | headers
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    connection.sendall(f"GET /ws HTTP/1.1\r\n{text}\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = connection.recv(4096)
        assert part
        answer += part
    return int(answer.split()[1]), connection


def session_of(gate: Gate) -> str:
    """The session's token in a page that may be opened."""
    _, _, text = ask(gate, "/", Cookie=cookie_of(gate))
    return re.search(r'"token":"([\w.-]+)"', text)[1]


def test_the_websocket_has_the_same_gate(gate):
    session, ours = session_of(gate), f"http://{gate.hosts[0]}"
    evil = f"evil.example:{port_of(gate)}"
    for headers, expected in (
        ({"Cookie": cookie_of(gate), "Origin": ours}, 101),
        ({"Origin": ours}, 403),
        ({"Cookie": cookie_of(gate), "Origin": f"http://{evil}"}, 403),
        ({"Cookie": cookie_of(gate), "Origin": f"http://{evil}", "Host": evil}, 403),
        ({"Cookie": cookie_of(gate) + "x", "Origin": ours}, 403),
    ):
        status, connection = shake_hands(gate, session, **headers)
        connection.close()
        assert status == expected, headers


@pytest.mark.parametrize(("size", "is_refused"), [(2**18, False), (2**18 + 1, True)])
def test_a_long_message_ends_its_connection_and_nothing_else(gate, size, is_refused):
    status, connection = shake_hands(gate, session_of(gate), Cookie=cookie_of(gate))
    assert status == 101
    connection.settimeout(30 if is_refused else 1)
    connection.sendall(b"\x81\xff" + struct.pack(">Q", size) + bytes(4))  # a text of that size is announced
    try:
        while connection.recv(4096):
            pass
        closed = True
    except TimeoutError:
        closed = False
    connection.close()
    assert closed == is_refused
    assert ask(gate, "/", Cookie=cookie_of(gate))[0] == 200
