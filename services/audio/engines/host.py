"""Chooses the speech engine and keeps one model loaded, for the thread that owns it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from services.audio import checkpoints
from services.audio.engines import Engine, loader
from services.audio.engines.whisper import OFFLINE_MODEL
from services.config import Settings
from services.errors import ModelUnavailable

log = logging.getLogger(__name__)

OFFLINE_SECONDS = 600.0
"""Time after a download that broke before NeMo is tried again."""


ASK_AGAIN_SECONDS = 60.0
"""Time after which a hub that did not have the model, or did not answer, is asked again."""


@dataclass(frozen=True)
class Choice:
    """An engine and a model; `offline` when it is what is left without a NeMo checkpoint."""

    engine: str
    model: str
    offline: bool = False


@dataclass(frozen=True)
class EngineStatus:
    """What the speech engine is doing, for people.

    `state` is `idle`, `loading` or `ready`; `progress` from 0 to 1 while a model downloads.
    """

    state: str = "idle"
    engine: str = ""
    model: str = ""
    device: str = ""
    detail: str = ""
    progress: float | None = None


class Hub:
    """Asks the model hub in the background whether it has the NeMo model.

    It is asked when the answer is first needed: a server that is set to another engine, or has
    the checkpoint, sends nothing into the network. After a no, which may be a network that is not
    up yet, it is asked again a while later.

    Args:
        clock: Returns a time in seconds that never goes back.
    """

    def __init__(
        self, model: str, timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._model = model
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._answered: threading.Event | None = None
        self._answered_at = 0.0
        self.answer: bool | None = None
        """The last answer; None while there is none."""
        self.problem: str | None = None
        """Why it was no, for a person."""

    def has_model(self, wait: bool) -> bool | None:
        """Return the answer; without `wait` the last one, None while there is none."""
        answered = self._ask_if_due()
        if wait:
            answered.wait(self._timeout)
            return bool(self.answer)
        return self.answer

    def _ask_if_due(self) -> threading.Event:
        """Ask, if it is time to; return what is set when the answer is there."""
        with self._lock:
            asked = self._answered
            if asked is not None and not (asked.is_set() and self._is_stale()):
                return asked
            answered = self._answered = threading.Event()
        threading.Thread(target=self._ask, args=(answered,), name="hub-probe", daemon=True).start()
        return answered

    def _is_stale(self) -> bool:
        return not self.answer and self._clock() - self._answered_at >= ASK_AGAIN_SECONDS

    def _ask(self, answered: threading.Event) -> None:
        problem = checkpoints.hub_lacks(self._model, self._timeout)
        if self.answer is None or problem != self.problem:
            log.info("%s on the hub: %s", self._model, problem or "it is there")
        self.answer, self.problem, self._answered_at = problem is None, problem, self._clock()
        answered.set()


class EngineHost:
    """Holds the loaded model. `status` may be read by any thread, `get` called by one."""

    def __init__(self, settings: Settings, hub: Hub) -> None:
        self._settings = settings
        self._hub = hub
        self._offline_until = 0.0
        self._engine: Engine | None = None
        self._loaded: tuple[Choice, str] | None = None
        self._used_at = 0.0
        self._unwanted = threading.Event()
        self.status = EngineStatus()

    def choose(self, engine: str, model: str | None, wait: bool = True) -> Choice | None:
        """Return the engine and the model that a job with these options gets.

        `auto` takes NeMo when its checkpoint is at hand or the hub has it, else the offline
        model. Returns None only with `wait` False and the hub not heard of yet.
        """
        settings = self._settings
        nemo = Choice("nemo", model or settings.nemo_model)
        if engine == "nemo":
            return nemo
        whisper = Choice("whisper", settings.whisper_model or OFFLINE_MODEL)
        if engine == "whisper":
            return Choice("whisper", model) if model else whisper
        if time.monotonic() < self._offline_until:
            return replace(whisper, offline=True)
        if checkpoints.find(nemo.model) is not None:
            return nemo
        answer = self._hub.has_model(wait)
        if answer is None:
            return None
        return nemo if answer else replace(whisper, offline=True)

    def get(self, engine: str, model: str | None, nemo_input: str) -> Engine:
        """Return the engine for a job, loading its model in place of another where needed.

        Raises:
            ModelUnavailable: the model cannot be had, and the job did not ask for `auto`.
        """
        choice = self.choose(engine, model)
        assert choice is not None
        self._unwanted.clear()
        try:
            return self._load(choice, nemo_input)
        except ModelUnavailable:
            if engine != "auto" or choice.engine == "whisper":
                raise
            # The hub answered, but the download broke: what is offline still works.
            log.exception("falling back to the offline model")
            self._offline_until = time.monotonic() + OFFLINE_SECONDS
            fallback = self.choose(engine, model)
            assert fallback is not None
            return self._load(fallback, nemo_input)

    def ask_to_free(self) -> None:
        """Have the model freed as soon as it has nothing to do; any thread may ask."""
        self._unwanted.set()

    def free_if_idle(self) -> None:
        """Free the model if somebody asked for it, or if it has been idle for the time set.

        To be called by the model's own thread whenever there is no work.
        """
        if self._engine is None:
            self._unwanted.clear()
            return
        now = time.monotonic()
        self._used_at = self._used_at or now  # the first time since it was used
        minutes = self._settings.model_idle_minutes
        if self._unwanted.is_set() or (minutes is not None and now - self._used_at >= 60 * minutes):
            log.info("freed %s", self._engine.model)
            self.close()

    def close(self) -> None:
        """Free the model."""
        self._unwanted.clear()
        if self._engine is not None:
            self._engine.close()
        self._engine = self._loaded = None
        self.status = EngineStatus()

    def _load(self, choice: Choice, nemo_input: str) -> Engine:
        self._used_at = 0.0
        settings = self._settings.model_copy(update={"nemo_input": nemo_input})
        if self._engine is not None and self._loaded == (choice, nemo_input):
            return self._engine
        self.close()

        def report(detail: str, progress: float | None) -> None:
            self.status = EngineStatus(
                "loading", choice.engine, choice.model, detail=detail, progress=progress
            )

        report("starting", None)
        try:
            engine = loader(choice.engine)(choice.model, settings, report)
        except BaseException:
            self.status = EngineStatus()
            raise
        self._engine, self._loaded = engine, (choice, nemo_input)
        self.status = EngineStatus("ready", engine.name, engine.model, engine.device)
        log.info("loaded %s, %s on %s", engine.name, engine.model, engine.device)
        return engine
