"""Real places that alerts arrive at: an HTTP server and a mail server on this machine.

What should arrive is for the tests to say.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Webhook:
    """An HTTP server that keeps what is posted to it; `status` is what it answers, `refuses` what it won't take."""

    port: int = 0
    status: int = 200
    refuses: str = ""
    posted: list[dict[str, Any]] = field(default_factory=list)
    attempts: int = 0

    @property
    def url(self) -> str:
        """The apprise URL of the server."""
        return f"json://127.0.0.1:{self.port}"

    @property
    def titles(self) -> list[str]:
        """The titles of what was taken, in order."""
        return [message["title"] for message in self.posted]


@contextmanager
def webhook(port: int = 0) -> Iterator[Webhook]:
    """A running server; without a port, on a free one."""
    received = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            message = json.loads(body)
            received.attempts += 1
            refused = bool(received.refuses) and received.refuses in body.decode()
            status = 400 if refused else received.status
            if status == 200:
                received.posted.append(message)
            self.send_response(status)
            self.end_headers()
            # Slack says so, and apprise looks for it.
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    received.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Mailbox:
    """Keeps the mails that an SMTP server takes."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 taken"


@dataclass
class MailServer:
    """A mail server that keeps what it takes."""

    port: int
    mails: list[EmailMessage]

    @property
    def url(self) -> str:
        """The apprise URL of a mail to the team."""
        return f"mailto://127.0.0.1:{self.port}/?from=alerts@example.com&to=team@example.com&mode=insecure"


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A running mail server on a free port, without TLS."""
    mailbox = _Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=_free_port())
    controller.start()
    try:
        yield MailServer(controller.port, mailbox.mails)
    finally:
        controller.stop()


def _free_port() -> int:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_port
