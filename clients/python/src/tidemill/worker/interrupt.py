"""Raises an exception in a plain function from outside. In a thread it occurs between two bytecodes: a blocking call
into C (a long sleep, a socket) must return first. In the main thread of a process a signal interrupts such calls too.
Must never raise in code that runs after the function.
"""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Callable
from typing import Any

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc
# The exception by its address, and NULL to take one back.
_set_async_exc.argtypes = [ctypes.c_ulong, ctypes.c_void_p]


class ThreadInterrupt:
    """For a function in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._early: type[BaseException] | None = None
        self._is_thrown = False

    def run(self, function: Callable[[], Any]) -> Any:
        """Calls the function here; from now until it returns, `throw` reaches it."""
        returned: list[Any] = []
        try:
            self._arm(threading.get_ident())
            try:
                returned.append(function())
            finally:
                self._disarm()
        except BaseException:
            # What was thrown may strike while it is disarmed.
            self._disarm()
            if not returned:
                raise
        return returned[0]

    def throw(self, exception: type[BaseException]) -> bool:
        """Raises it in the function, or where it begins; False if it does not run now."""
        with self._lock:
            if self._thread is None:
                self._early = exception
                return False
            self._is_thrown = True
            _set_async_exc(self._thread, id(exception))
            return True

    def _arm(self, thread: int) -> None:
        with self._lock:
            if self._early is not None:
                raise self._early
            self._thread = thread

    def _disarm(self) -> None:
        with self._lock:
            if self._thread is not None and self._is_thrown:
                # What did not strike yet never does.
                _set_async_exc(self._thread, None)
            self._thread = None


class SignalInterrupt:
    """For a function in the main thread of a process that is this package's."""

    def __init__(self) -> None:
        self._armed = False
        self._pending: type[BaseException] | None = None
        signal.signal(signal.SIGUSR1, self._strike)

    def run(self, function: Callable[[], Any]) -> Any:
        """Calls the function here; from now until it returns, `throw` reaches it."""
        returned: list[Any] = []
        try:
            self._armed = True
            try:
                if self._pending is not None:
                    raise self._pending
                returned.append(function())
            finally:
                self._armed = False
        except BaseException:
            self._armed = False
            if not returned:
                raise
        return returned[0]

    def throw(self, exception: type[BaseException]) -> bool:
        """Raises it in the function, or where it begins; False if it does not run now. From another thread."""
        self._pending = exception
        if not self._armed:
            return False
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        return True

    def clear(self) -> None:
        """What was thrown and did not strike never does."""
        self._pending = None

    def _strike(self, *_: object) -> None:
        pending, self._pending = self._pending, None
        if self._armed and pending is not None:
            raise pending
