"""The runtime: builds every service once and owns their life."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from services.audio.catalog import SPEECH, Downloads, Model, model_at, models, with_sizes
from services.audio.engines import sortformer
from services.audio.engines.host import Choice, EngineHost, EngineStatus, Hub
from services.config import Settings
from services.errors import DirectoryInUse
from services.files import operations
from services.files.disk import Room
from services.files.janitor import HOUR, Janitor, Waiting
from services.files.temp import use_temp_root, writable
from services.front import Front
from services.health import Health
from services.heap import give_back
from services.jobs.audio_worker import AudioWorker
from services.jobs.diarizing import Diarizer
from services.jobs.document_worker import DocumentWorker
from services.jobs.indexing import Indexer
from services.jobs.lane import Lane
from services.jobs.models import Options
from services.jobs.pulse import Pulse
from services.library.restoring import carry_out
from services.making_room import MakingRoom
from services.metrics import Metrics
from services.people.models import Scope
from services.retention import Kept, Retention, data_problem
from services.watch.root import RootStatus
from services.watch.watcher import Watcher
from services.webhooks.notifier import Notifier, Trouble

log = logging.getLogger(__name__)

LOCK = "scriptorium.lock"

running: list[Runtime] = []
"""The runtime that this process serves, if any. Pages are scripts: this is how they find it."""


def is_served(settings: Settings) -> bool:
    """Whether a runtime, in any process, works on this data directory."""
    lock = settings.data_dir / LOCK
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


class Runtime(Front):
    """A front with the lanes that do the work, and the janitor.

    Use it as a context manager, or call `start` and `stop`.

    Raises:
        DirectoryInUse: another server uses the same directories.
    """

    writes_library = True

    def __init__(self, settings: Settings) -> None:
        # The temporary files have a lock too: two servers with data of their own may be told
        # to share a directory for them, and each would sweep what the other uses.
        # Whoever only asks whether a server runs holds the lock for a moment.
        self._locks = [
            FileLock(directory / LOCK, timeout=1.0)
            for directory in (settings.data_dir, settings.temp_root)
        ]
        self.settings = settings

    def start(self) -> Self:
        """Start the lanes and the janitor."""
        self._acquire()
        try:
            self._build()
        except BaseException:
            self._release()
            raise
        self._janitor.start()
        self._notifier.start()
        for lane in self._lanes:
            lane.start()
        self._pulse.start()
        self._watcher.start()
        self._diarizer.start()
        if self._indexer is not None:
            self._indexer.start()
        return self

    def _build(self) -> None:
        settings = self.settings
        super().__init__(settings)
        if warning := use_temp_root(settings.temp_root):
            log.warning(warning)
        if freed := self._store.recover():
            log.info("%d jobs of the last run were taken up again", freed)
        self._downloads = Downloads()
        self._hub = Hub(settings.nemo_model, settings.hub_timeout)
        self._host = EngineHost(settings, self._hub)
        self._janitor = Janitor(
            settings.temp_root,
            leased=lambda: self._store.workspaces(leased=True),
            submitted=lambda: self._store.workspaces(leased=False),
            max_age=settings.workspace_hours * HOUR,
            unwanted=self._store.removals,
            removed=self._store.removed,
            results=settings.results_dir,
        )
        self._watcher = Watcher(
            settings.watch,
            self,
            settings.store_url,
            settings.watch_still_seconds,
            settings.watch_rescan_seconds,
        )
        self._notifier = Notifier(settings, self._store)
        self._data_room = Room(settings.data_dir, settings.disk_reserve)
        audio = AudioWorker(settings, self._host, self._turns)
        self._lanes = [self._lane("audio", audio)] + [
            self._lane(f"documents-{number}", DocumentWorker(settings, self._passwords))
            for number in range(1, settings.document_workers + 1)
        ]
        self._indexer = None
        if self._library is not None:
            requested = partial(carry_out, settings.library_dir, self.restore_library)
            enrich = self._llm.enrich if self._llm is not None else None
            self._indexer = Indexer(
                self._entries,
                self._results,
                self._library,
                enrich,
                first=requested,
                busy=lambda: audio.needs_cores,
            )
        self._diarizer = Diarizer(
            self._diarizations,
            self._results,
            partial(sortformer.load, settings.diarization_model, settings),
            self._turns,
            busy=lambda: audio.needs_cores,
            idle_minutes=settings.model_idle_minutes,
            done=self._wake_indexer,
        )
        self._retention = Retention(settings, self._store, self.people, self._delete)
        self._making_room = MakingRoom(settings, self._store, self._delete, self.people.audit)
        self._pulse = Pulse(self._store, self._lanes, settings.keep_failed_days, self._keep_house)
        self._metrics = Metrics(settings, self.people, self._entries, self._janitor.waiting)
        self.health = Health(
            {
                "store": self._store_answers,
                "lanes": lambda: None if self._pulse.lives else "a lane, or the pulse, has died",
                "disk": self._no_room,
                "temporary files": lambda: writable(settings.temp_root),
                "gpu": self.lost,
            }
        )
        self.engine_choice(self.default_options())  # ask the hub early, if it is needed at all

    def stop(self) -> None:
        """Put back what runs, stop every thread and process, and free the data directory."""
        self._downloads.cancel()
        self._watcher.stop()
        self._pulse.stop()
        self._turns.close()
        self._notifier.ask_to_stop()
        for lane in self._lanes:
            lane.ask_to_stop()
        for lane in self._lanes:
            lane.stop()
        self._diarizer.stop()
        if self._indexer is not None:
            self._indexer.stop()
        self._janitor.stop()
        self._notifier.stop()
        self._metrics.close()
        self.close()
        self._release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def engine_status(self) -> EngineStatus:
        """Return what the speech engine is doing."""
        return self._host.status

    def free_model(self) -> None:
        """Have the speech model's memory freed as soon as it has nothing to do."""
        self.require(Scope.ADMIN)
        self._host.ask_to_free()
        self._diarizer.ask_to_free()
        self._wake()

    @property
    def downloads(self) -> Downloads:
        """What is fetched from the hub.

        Raises:
            NotAllowed: they are no admin.
        """
        self.require(Scope.ADMIN)
        return self._downloads

    def speech_models(self) -> list[Model]:
        """Return the models that write down speech: on this machine, and others that are known."""
        return [model for model in self.every_model() if model.purpose == SPEECH]

    def every_model(self) -> list[Model]:
        """Return these, and the ones that tell speakers apart."""
        settings = self.settings
        return models(settings.nemo_model, settings.diarization_model, settings.models_dir)

    def models_with_sizes(self) -> list[Model]:
        """Return them with the sizes that the hub gives; where there is none, it takes a while."""
        self.require(Scope.ADMIN)
        return with_sizes(self.every_model(), self.settings.hub_timeout)

    def hub_answers(self) -> bool:
        """Whether the hub had the server's model when it was asked last."""
        return bool(self._hub.answer)

    def hub_problem(self) -> str | None:
        """Return why it had not, None where it had or was not asked."""
        self.require(Scope.ADMIN)
        return self._hub.problem

    def download_model(self, name: str) -> bool:
        """Begin to fetch a model from the hub; False while another one is on its way.

        Raises:
            ModelUnavailable: that is not how models on the hub are called.
        """
        self.require(Scope.ADMIN)
        begun = self.downloads.start(name)
        if begun:
            self.log_action("download model", detail=name)
        return begun

    def stop_download(self) -> None:
        """End what is being fetched; what has come of it stays for the next time."""
        self.require(Scope.ADMIN)
        self.downloads.cancel()

    def diarization_model(self) -> Model:
        """Return the model that tells speakers apart."""
        return model_at(self.settings.diarization_model)

    def engine_choice(self, options: Options) -> Choice | None:
        """Return the engine and model that these options stand for now.

        None while the hub is being asked whether `auto` can mean NeMo.
        """
        return self._host.choose(options.engine, options.model, wait=False)

    def waiting_workspaces(self) -> dict[Path, Waiting]:
        """Return the workspaces that could not be removed yet."""
        self.require(Scope.ADMIN)
        return dict(self._janitor.waiting)

    def watched_folders(self) -> list[RootStatus]:
        """Return the status of each watched folder."""
        self.require(Scope.ADMIN)
        return self._watcher.status()

    def scan_watched_folders(self) -> None:
        """Look through the watched folders now instead of at the next round."""
        self.require(Scope.ADMIN)
        self._watcher.scan_now()

    def webhook_trouble(self) -> Trouble | None:
        """Return the webhook that could not be delivered last; None when all is well."""
        self.require(Scope.ADMIN)
        return self._notifier.trouble

    def retention(self) -> list[Kept]:
        """Return how long each kind of jobs is kept."""
        self.require(Scope.ADMIN)
        return self._retention.kept()

    def data_problem(self) -> str | None:
        """Return why the data soon have no more room, or have none; None when they have."""
        self.require(Scope.ADMIN)
        return data_problem(self.settings)

    def metrics(self) -> bytes:
        """Return the figures of this instance in the text format of Prometheus."""
        self.require(Scope.ADMIN)
        return self._metrics.text()

    def lost(self) -> str | None:
        """Return why the server has to be started again, a lost GPU; None where it need not."""
        reasons = [*(lane.lost for lane in self._lanes), self._diarizer.lost]
        return next(filter(None, reasons), None)

    def paused(self) -> str | None:
        """Return why no jobs are taken now, a full disk or a lost GPU; None when they are."""
        reason = next((lane.paused for lane in self._lanes if lane.paused), None)
        return reason and self.said(reason)

    def _keep_house(self) -> None:
        """Let go of what need not be kept; the pulse calls it, every few seconds."""
        self._retention.round()
        self._making_room.round()
        give_back()  # what models and uploads freed, which the C library would keep for good

    def _store_answers(self) -> None:
        self._store.paused()

    def _no_room(self) -> str | None:
        return self._data_room.missing() or self._temp_room.missing()

    def _tidy(self) -> None:
        self._janitor.wake()
        self._wake_indexer()

    def _wake_indexer(self) -> None:
        if self._indexer is not None:
            self._indexer.wake()

    def _wake(self) -> None:
        for lane in self._lanes:
            lane.wake()
        self._diarizer.wake()

    def _lane(self, name: str, worker: AudioWorker | DocumentWorker) -> Lane:
        return Lane(
            name,
            worker,
            self._store,
            self._results,
            settled=self._tidy,
            no_room=self._no_room,
        )

    def _acquire(self) -> None:
        for lock in self._locks:
            directory = operations.make_dir(Path(lock.lock_file).parent)
            try:
                lock.acquire()
            except Timeout:
                self._release()
                raise DirectoryInUse(
                    f"Another Scriptorium already uses {directory}. Stop it, or give this one "
                    "directories of its own with SCRIPTORIUM_DATA (and SCRIPTORIUM_TEMP_DIR).",
                    directory,
                ) from None

    def _release(self) -> None:
        for lock in self._locks:
            lock.release()
