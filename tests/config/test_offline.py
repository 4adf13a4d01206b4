"""What --offline forbids a process."""

import subprocess
import sys

TRIES = """
import socket, sys, urllib.request
from cnnjax.config import offline

server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
offline.close_network()
offline.close_network()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tries = [
    lambda: socket.create_connection(server.getsockname()),
    lambda: socket.socket(socket.AF_INET6).connect(("::1", 80)),
    lambda: socket.socket().connect_ex(server.getsockname()),
    lambda: socket.getaddrinfo("localhost", 80),
    lambda: socket.gethostbyname("localhost"),
    lambda: udp.sendto(b"", server.getsockname()),
    lambda: udp.sendmsg([b""], [], 0, server.getsockname()),
    lambda: urllib.request.urlopen("http://localhost"),
]
for number, one in enumerate(tries):
    try:
        one()
        print(number, "went through")
    except OSError as error:
        assert offline.SAID in str(error), (number, error)
one, other = socket.socketpair()
one.sendall(b"still open")
print(other.recv(20).decode())
"""


def test_no_socket_asks_another_machine_or_a_proxy_on_this_one():
    run = subprocess.run([sys.executable, "-c", TRIES], capture_output=True, text=True)
    assert run.stdout == "still open\n", run.stdout + run.stderr
