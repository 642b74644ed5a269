"""Models that run on a Ray cluster: one application of Ray Serve for each bundle, asked by handle.

The service stays what it is: it watches the store, checks the contract, routes, falls back, counts and logs. Only
`Model.predict` is answered elsewhere. An application is started and every golden request answered through it before the
routing table names it; it ends when nobody has needed it for a while.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import random
import socket
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray import serve
from ray.exceptions import ActorDiedError, RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus

from gitops_model.errors import BadArtifact
from gitops_model.formats.bundle import Bundle
from gitops_model.formats.pointer import Ref
from gitops_model.formats.serving import Ray, Settings
from gitops_model.formats.store import Layout
from gitops_model.runtime import calls
from gitops_model.runtime.models import Columns, Scores
from gitops_model.serving import applications, loader
from gitops_model.serving.replica import Replica
from gitops_model.serving.snapshot import Loaded
from gitops_model.serving.trial import PATIENCE

logger = logging.getLogger("gitops_model.serving")

LOOK_SECONDS = 2.0
WAIT_SECONDS = 0.1
# Between two tries of a request whose replica went away.
AGAIN_SECONDS = 0.05
# A request asks so many replicas, if each hangs, and none is given up before it took so many times its usual time.
TRIES = 5
SLOWER = 20.0
# So many replicas a request may see die; more would be its own doing.
MOST_DEATHS = 3
CONNECT_SECONDS = 2.0
ASK_SECONDS = 5.0
# Ray ends a process that has seen no head for a minute. One that comes back sooner does not know this process.
STRANGE_SECONDS = 20.0
CODE = 70


class Scored:
    """A `Model` whose rows a replica scores. A replica that goes away is not the request's fault: another is asked.

    `row_seconds` is what a row takes, once that is known. A replica that takes far longer is believed to be gone: its
    node may be, and Ray notices that after many seconds only.
    """

    def __init__(self, handle: Any, *, seconds: float) -> None:
        self._handle = handle
        self._seconds = seconds
        self.row_seconds = math.inf

    def predict(self, columns: Columns) -> Scores:
        """See `Model.predict`. Raises what the model raised, TimeoutError after the time that a request has."""
        until, deaths, pause = time.monotonic() + self._seconds, 0, AGAIN_SECONDS
        rows = len(next(iter(columns.values())))
        patience = max(self._seconds / TRIES, SLOWER * rows * self.row_seconds)
        while not calls.ended() and (left := until - time.monotonic()) > 0:
            response = self._handle.remote(dict(columns))
            try:
                scores: Scores = response.result(timeout_s=min(left, patience))
            except RayTaskError as error:
                raise error.cause from None
            except TimeoutError:
                response.cancel()
            except (RayError, RayServeException) as error:
                deaths += isinstance(error, ActorDiedError)
                if deaths >= MOST_DEATHS:
                    raise ChildProcessError(
                        f"{deaths} replicas ended while they scored it"
                    ) from None
                # Of many requests that wait for the same replica, not all ask again at once.
                time.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  no secret
                pause = min(2 * pause, 1.0)
            else:
                return scores
        raise TimeoutError("no replica answered in time")


@dataclass(frozen=True, kw_only=True)
class Application:
    """An application of this service when the cluster was last looked at. `model`: None where an earlier one began it.

    `status` is Ray Serve's word; `replicas` are those that run.
    """

    model: str | None
    status: str
    replicas: int


@dataclass(frozen=True, kw_only=True)
class State:
    """A cluster when it was last looked at. `nodes` are those alive; `problem` is None where it is whole."""

    address: str
    nodes: int
    applications: Mapping[str, Application]
    problem: str | None


class Cluster:
    """The cluster that serving.yaml names, as one service sees it."""

    def __init__(self, settings: Settings, *, leave: Callable[[int], object] = os._exit) -> None:
        assert settings.ray is not None
        self._ray: Ray = settings.ray
        self._seconds = settings.timeout_ms / 1000
        self._most = settings.max_requests
        self._patience = PATIENCE * settings.load_seconds
        self._leave = leave
        self._lock = threading.Lock()
        self._handing_over = threading.Lock()
        self._joined = False
        self._node = ""
        # What is routed, or in the hands of a request; and what is being loaded.
        self._models: weakref.WeakValueDictionary[str, Scored] = weakref.WeakValueDictionary()
        self._loading: set[str] = set()
        self._names: dict[str, str] = {}
        self._idle: dict[str, float] = {}
        self._problem: str | None = None
        self._found: dict[str, Application] = {}
        self._nodes = 0

    def load(self, store: Layout, ref: Ref, *, trusted: Collection[str] = ()) -> Loaded:
        """As loader.load: start the bundle's application where it does not run, and ask it the golden requests.

        Raises BadArtifact too where the cluster cannot be reached, or has no room; that is tried again.
        """
        bundle = Bundle.read(store.bundle(ref.sha256), sha256=ref.sha256)
        types = tuple(sorted(trusted))
        name = applications.name_of(self._ray, ref.sha256, trusted=types)
        with self._lock:
            self._loading.add(name)
            self._names[name] = ref.model
        try:
            self._join()
            self._start(name, (str(store.folder.absolute()), ref.model, ref.sha256, types))
            with self._asking():
                handle = serve.get_app_handle(name).options(method_name="predict")
            model = Scored(handle, seconds=self._seconds)
            found = loader.ready(bundle, trusted=trusted, model=model)
            model.row_seconds = found.row_seconds
            with self._lock:
                self._models[name] = model
        except (ConnectionError, TimeoutError, RayError, RayServeException) as error:
            raise BadArtifact(
                f"the Ray cluster at {self._ray.address} does not answer: {_words(error)}",
                reason="read",
            ) from error
        finally:
            with self._lock:
                self._loading.discard(name)
        # A call that waits for another process never runs on the event loop, however quick.
        return replace(found, row_seconds=math.inf)

    def state(self) -> State:
        """What the cluster said when it was last looked at. Asks nobody."""
        return State(
            address=self._ray.address,
            nodes=self._nodes,
            applications=self._found,
            problem=self._problem,
        )

    def _join(self) -> None:
        """Raises ConnectionError."""
        with self._lock:
            if self._joined:
                return
            host, _, port = self._ray.address.rpartition(":")
            os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
            try:
                # Ray itself waits for minutes before it says that nobody is there.
                socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
                ray.init(
                    address=self._ray.address,
                    ignore_reinit_error=True,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
                self._node = ray.get_runtime_context().get_node_id()
                # What its router tries again is tried again; what is wrong is said by `_say`.
                logging.getLogger("ray.serve").setLevel(logging.ERROR)
                # Callers come to this service, so that the cluster needs no door of its own.
                serve.start(proxy_location="Disabled", logging_config={"log_level": "WARNING"})
            except Exception as error:
                # Ray says in many ways that a head, or this host's own node, is not there yet.
                raise ConnectionError(getattr(error, "strerror", None) or _words(error)) from error
            self._joined = True
        threading.Thread(target=self._look, name="cluster", daemon=True).start()

    def _start(self, name: str, arguments: tuple[object, ...]) -> None:
        """Start an application where there is none, and wait until all of it runs. Raises BadArtifact."""
        until, begun = time.monotonic() + self._patience, False
        while True:
            found = serve.status().applications.get(name)
            if found is None:
                if not begun:
                    self._run(name, arguments)
                begun = True
            elif found.status == ApplicationStatus.RUNNING:
                return
            elif found.status == ApplicationStatus.DEPLOY_FAILED:
                serve.delete(name, _blocking=False)
                said = _words(found.message)
                raise BadArtifact(f"the Ray cluster cannot start it: {said}", reason="read")
            if time.monotonic() > until:
                said = _words(_waits(found)) if found else "nothing"
                raise BadArtifact(
                    f"the Ray cluster did not start it within {self._patience:g} s; it says: {said}",
                    reason="read",
                )
            time.sleep(WAIT_SECONDS)

    def _run(self, name: str, arguments: tuple[object, ...]) -> None:
        with self._asking():
            serve.run_many(
                [
                    serve.RunTarget(
                        self._deployment().bind(*arguments), name=name, route_prefix=None
                    )
                ],
                wait_for_ingress_deployment_creation=False,
                wait_for_applications_running=False,
            )

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """Ray fails in its own pickling where two threads hand something over at once. Raises ConnectionError.

        Whatever it raises says nothing of the bundle, whose trial passed: it is tried again.
        """
        try:
            with self._handing_over:
                yield
        except Exception as error:
            raise ConnectionError(_words(error)) from error

    def _deployment(self) -> Any:
        settings = self._ray
        return serve.deployment(
            Replica,
            name="Replica",
            autoscaling_config={
                "min_replicas": settings.min_replicas,
                "initial_replicas": settings.min_replicas,
                "max_replicas": settings.max_replicas,
                "target_ongoing_requests": settings.ongoing,
            },
            # Left to itself, Ray may put all of them on one node, whose end would be theirs.
            max_replicas_per_node=settings.per_node,
            # The service itself bounds what is asked at once. With a bound here, Ray's router waits for news of a node
            # that is gone whenever the others are at theirs.
            max_ongoing_requests=self._most,
            ray_actor_options={"num_cpus": settings.cpus},
            health_check_period_s=1,
            health_check_timeout_s=10,
            graceful_shutdown_timeout_s=self._seconds + 1,
        )

    def _look(self) -> None:
        """In a thread of its own: how the cluster is, and which applications nobody needs."""
        known = time.monotonic()
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                nodes = _within(ASK_SECONDS, ray.nodes)
                alive = [node["NodeID"] for node in nodes if node["Alive"]]
                if self._node not in alive:
                    raise ConnectionError("it does not know this host's node")
                known, self._nodes = time.monotonic(), len(alive)
            except Exception as error:
                # Whatever Ray raises where its head is gone means the same here.
                self._lost(time.monotonic() - known, error)
                continue
            try:
                self._take_stock(_within(ASK_SECONDS, lambda: serve.status().applications))
            except Exception as error:
                self._say(f"Ray Serve's controller does not answer ({type(error).__name__}).")

    def _take_stock(self, found: Mapping[str, Any]) -> None:
        mine = applications.own(self._ray, found.keys())
        now = time.monotonic()
        with self._lock:
            routed = set(self._models.keys())
            needed = routed | self._loading
            self._idle = applications.idle_since(self._idle, found=mine, needed=needed, now=now)
            for name in applications.to_end(self._idle, now=now):
                logger.info("ending application %s, which nobody needs", name)
                serve.delete(name, _blocking=False)
        self._found = {
            name: Application(
                model=self._names.get(name),
                status=found[name].status.value,
                replicas=sum(
                    each.replica_states.get("RUNNING", 0)
                    for each in found[name].deployments.values()
                ),
            )
            for name in sorted(mine)
        }
        least = self._ray.min_replicas
        few = [name for name in sorted(routed) if self._running(name) < least]
        self._say(
            applications.too_few(
                self._names[few[0]],
                running=self._running(few[0]),
                wanted=least,
                nodes=self._nodes,
            )
            if few
            else None
        )

    def _running(self, name: str) -> int:
        return self._found[name].replicas if name in self._found else 0

    def _lost(self, seconds: float, error: Exception) -> None:
        address = self._ray.address
        self._say(
            f"the head of the Ray cluster at {address} does not answer: {_words(error)}. Replicas that run "
            "elsewhere answer for about a minute more; no release can be started and no replica replaced. Start the "
            "head again, then each node anew: ray stop && ray start"
        )
        if seconds < STRANGE_SECONDS:
            return
        with contextlib.suppress(OSError):
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
            logger.error("another head is at %s; this process ends, to begin anew", address)
            self._leave(CODE)

    def _say(self, problem: str | None) -> None:
        if problem != self._problem:
            self._problem = problem
            logger.log(
                logging.ERROR if problem else logging.INFO,
                "%s",
                problem or "the Ray cluster is whole again",
            )


def _within(seconds: float, work: Callable[[], Any]) -> Any:
    """What `work` gives. Raises TimeoutError; its thread is left behind then, as Ray waits for a lost head for long."""
    done: list[Any] = []

    def run() -> None:
        with contextlib.suppress(Exception):
            done.append(work())

    thread = threading.Thread(target=run, name="ask", daemon=True)
    thread.start()
    thread.join(seconds)
    if not done:
        raise TimeoutError(f"nothing came within {seconds:g} s")
    return done[0]


def _waits(found: Any) -> str:
    said = [each.message for each in found.deployments.values() if each.message]
    return "; ".join([found.message, *said])


def _words(error: object) -> str:
    return " ".join(str(error).split())[-300:] or type(error).__name__
