"""Whether this session may write: unarmed at the start, armed by typing, disarmed by idleness."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tui.errors import ArmingError, NotArmedError
from tui.model.operations import ArmingMode, ArmingState
from tui.safety import CleanText, clean

IDLE_SECONDS = 15 * 60.0
"""Without a write or a touch, an armed session disarms itself after this."""


class Arming:
    """The one switch before every write; it belongs to the collector's loop."""

    def __init__(
        self,
        is_read_only: bool,
        reason: str,
        context: CleanText,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin unarmed.

        Args:
            is_read_only: it can't be armed at all.
            reason: which flag or setting makes it read-only.
            context: what must be typed to arm.
            clock: seconds since the epoch. A suspended machine's idle time counts too.
        """
        self._is_read_only = is_read_only
        self._reason = clean(reason)
        self._context = context
        self._clock = clock
        self._touched_at: float | None = None
        """None while unarmed."""
        self._is_idle_bound = True
        self._holders = 0

    @classmethod
    def headless(
        cls,
        yes: bool,
        *,
        is_read_only: bool,
        reason: str,
        context: CleanText,
        clock: Callable[[], float] = time.time,
    ) -> Arming:
        """Return the arming of a command: armed to its end by `--yes`, else never."""
        made = cls(is_read_only, reason, context, clock)
        made._is_idle_bound = False
        if is_read_only:
            return made
        if yes:
            made._touched_at = clock()
        else:
            made._reason = clean("--yes was not given")
        return made

    @property
    def state(self) -> ArmingState:
        """Whether writes pass now, and until when."""
        if self._is_read_only:
            return ArmingState(ArmingMode.READ_ONLY, reason=self._reason)
        touched_at = self._armed_since()
        if touched_at is None:
            return ArmingState(ArmingMode.UNARMED, reason=self._reason)
        is_bound = self._is_idle_bound and not self._holders
        return ArmingState(ArmingMode.ARMED, touched_at + IDLE_SECONDS if is_bound else None)

    def arm(self, typed: str) -> None:
        """Arm the session.

        Raises:
            ArmingError: it is read-only, or what was typed is not the context's name exactly.
        """
        if self._is_read_only:
            raise ArmingError(f"this session is read-only ({self._reason}) and can't be armed")
        if not self._is_idle_bound:
            raise ArmingError("a command is armed with --yes only")
        if not self._context or typed != self._context:
            raise ArmingError(
                f"not armed: type the name of the context exactly as it is: {self._context}"
            )
        self._touched_at = self._clock()

    def disarm(self) -> None:
        """Let nothing more be written, until somebody arms again."""
        self._touched_at = None

    def touch(self) -> None:
        """Count the idle time anew; an unarmed session stays unarmed."""
        if self._armed_since() is not None:
            self._touched_at = self._clock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep an armed session from disarming by idleness while an operation runs.

        `disarm()` works all the same. The idle time begins anew at the end.
        """
        self.touch()
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            if self._touched_at is not None and not self._holders:
                self._touched_at = self._clock()

    def check(self) -> None:
        """Return only if writes pass now.

        Raises:
            NotArmedError: it says why, and how to arm.
        """
        state = self.state
        if state.mode is ArmingMode.ARMED:
            return
        if state.mode is ArmingMode.READ_ONLY:
            raise NotArmedError(f"nothing is written: this session is read-only ({state.reason})")
        if not self._is_idle_bound:
            raise NotArmedError(f"nothing is written: {state.reason}")
        raise NotArmedError(
            f"nothing is written: this session is not armed; :arm and type {self._context}"
        )

    def check_dry_run(self) -> None:
        """Return unless even a dry run is out of the question: a read-only session only reads.

        Raises:
            NotArmedError: the session is read-only.
        """
        if self._is_read_only:
            raise NotArmedError(f"no dry run is made: this session is read-only ({self._reason})")

    def _armed_since(self) -> float | None:
        """Return when it was touched last, and disarm if that is too long ago."""
        if self._touched_at is None or not self._is_idle_bound or self._holders:
            return self._touched_at
        # A clock that was set back must not make the session armed for longer.
        if not 0 <= self._clock() - self._touched_at < IDLE_SECONDS:
            self._touched_at = None
        return self._touched_at
