"""What spares a provider: so many calls at once, and none for a while after it has failed again and again."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from moat.errors import ProviderOverloaded, ProviderSuspended
from moat.provider_settings import ProviderSettings


@dataclass(slots=True)
class _State:
    places: asyncio.Semaphore
    loop: asyncio.AbstractEventLoop
    failures: int = 0
    opened_at: float | None = None
    trying: bool = False


@dataclass(slots=True)
class Circuits:
    """The providers of one process, by name."""

    clock: Callable[[], float] = time.monotonic
    _states: dict[str, _State] = field(default_factory=dict)

    @asynccontextmanager
    async def place(self, provider: str, server: ProviderSettings, deadline: float) -> AsyncIterator[None]:
        """Hold one of a provider's places, or raise ProviderOverloaded at the deadline.

        Raises ProviderSuspended at once while its circuit is open; when that time is over, one call is let try.
        """
        state = self._state(provider, server)
        self._check(provider, server, state)
        try:
            async with asyncio.timeout_at(deadline):
                await state.places.acquire()
        except TimeoutError:
            state.trying = False
            text = f"All {server.concurrency} calls that {provider} may get at once are under way."
            raise ProviderOverloaded(text, "Try again, or raise the provider's concurrency.") from None
        try:
            yield
        finally:
            state.trying = False
            state.places.release()

    def is_closed(self, provider: str) -> bool:
        """Tell whether nothing is known against calling a provider."""
        state = self._states.get(provider)
        return state is None or state.opened_at is None

    def succeeded(self, provider: str) -> None:
        state = self._states[provider]
        state.failures, state.opened_at = 0, None

    def failed(self, provider: str, server: ProviderSettings) -> None:
        state = self._states[provider]
        state.failures += 1
        if state.failures >= server.breaker_failures:
            state.opened_at = self.clock()

    def _check(self, provider: str, server: ProviderSettings, state: _State) -> None:
        if state.opened_at is None:
            return
        left = state.opened_at + server.breaker_s - self.clock()
        if left > 0 or state.trying:
            text = f"{provider} failed {state.failures} times in a row and is left alone for a while."
            raise ProviderSuspended(text, f"Try again in {max(1, round(left))} seconds, or choose another model.")
        state.trying = True

    def _state(self, provider: str, server: ProviderSettings) -> _State:
        loop = asyncio.get_running_loop()
        state = self._states.get(provider)
        if state is None:
            state = self._states[provider] = _State(asyncio.Semaphore(server.concurrency), loop)
        elif state.loop is not loop:  # a semaphore belongs to the loop that it was first waited for in
            state.places, state.loop = asyncio.Semaphore(server.concurrency), loop
        return state
