"""A wire between browser and server that a test can cut, or leave open with nothing going through, until mended."""

from __future__ import annotations

import contextlib
import socket
import threading


class Wire:
    """Forwards 127.0.0.1:`port` to the server's port."""

    def __init__(self, target: int) -> None:
        self._target, self._open, self._is_cut = target, set[socket.socket](), False
        self._is_through = threading.Event()
        self._is_through.set()
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Kill what is open, and whatever comes."""
        with self._lock:
            self._is_cut = True
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def hold(self) -> None:
        """Let nothing through, and tell nobody: a lost route, a computer that slept."""
        self._is_through.clear()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_through.set()
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        """Stop."""
        self.cut()
        self._is_through.set()
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                if self._is_cut:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    self._open |= {near, far}
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._is_through.wait()
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        with self._lock:
            self._open -= {source, sink}
