"""The Optuna dashboard on one study, for the person at this machine."""

from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna

from budgetnas.errors import InputError
from budgetnas.study import StudyConfig, find_study, study_folder
from budgetnas.study.begun import storage_url
from budgetnas.study.storage import existing_study

HOST = "127.0.0.1"
WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log no requests."""


def serve(study: str | None, storage: str | None, port: int, say: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        study: The study's name; the only one, else the newest.
        storage: Its storage, where it is not the one it was begun with.
        port: 0 for any that is free.
        say: Prints the address.

    Raises:
        InputError: If there is no such study, or the port is taken.
    """
    name, _ = find_study(study)
    folder = study_folder(name)
    url = storage_url(StudyConfig.read(folder), folder, storage)
    with existing_study(name, url) as loaded:
        application = guard_host(_application(loaded))
        try:
            server = make_server(HOST, port, application, _Server, _Quiet)
        except OSError as error:
            raise InputError(f"--port {port} can't be used: {error.strerror}") from None
        with server:
            address = f"http://{HOST}:{server.server_port}"
            say(f"Study {name}: {address}/dashboard/studies/{loaded._study_id} (Ctrl-C ends it)")
            server.serve_forever()


def _application(study: optuna.Study) -> WSGI:
    from optuna_dashboard import wsgi  # half a second to import, for this command only

    application: WSGI = wsgi(study._storage)
    return application


def guard_host(application: WSGI) -> WSGI:
    """Reject requests with another Host or Origin than this machine's own name.

    A page on the web can make its own name point here (DNS rebinding), but the browser says that
    name in Host; it can send a request here blindly, but the browser says its name in Origin.
    """

    def guarded(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        origin = urlsplit(environ.get("HTTP_ORIGIN") or f"http://{HOST}")
        for name, host in (
            ("Host", environ.get("HTTP_HOST", "").partition(":")[0]),
            ("Origin", origin.hostname),
        ):
            if host not in (HOST, "localhost"):
                start("403 Forbidden", [("Content-Type", "text/plain")])
                return [f"the {name} must be {HOST} or localhost, got {host!r}\n".encode()]
        return application(environ, start)

    return guarded
