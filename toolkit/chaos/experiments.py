"""Faults of the servers that tests use: a steady state before, a fault, the time until it holds again.

After the principles of chaos engineering (principlesofchaos.org): say what "well" means, prove it, break
something, and prove it again.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from toolkit.assertions.polling import eventually
from toolkit.errors import EnvironmentFailed, UsageError
from toolkit.leases.owners import Owner
from toolkit.leases.store import Lease, LeaseStore
from toolkit.services import provisioning
from toolkit.services.environment import Endpoint, environments
from toolkit.services.external import SCHEMES
from toolkit.services.faults import injecting
from toolkit.services.faults.model import MAY_KILL, Fault, is_network
from toolkit.services.faults.ways import Way
from toolkit.services.processes import collect_ended
from toolkit.services.round_trips import round_trip_of

Probe = Callable[[], object]
"""Returns something true while all is well; raising anything means that it is not."""


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one fault."""

    action: str
    service: str
    lasted: float
    """Seconds from the fault until it began to be undone."""
    answered: float
    """Seconds from then until the server answered a real query."""
    recovered: float
    """Seconds from then until everything that the test calls steady held again."""

    @property
    def measures(self) -> dict[str, float]:
        """Name → seconds, for the record of the test."""
        name = f"chaos.{self.action}.{self.service}"
        return {f"{name}.answered_s": self.answered, f"{name}.recovered_s": self.recovered}


class Chaos:
    """Breaks and mends the servers of one project's tests. One at a time per service; close it at the end.

    Args:
        store: the lease files.
        owner: this process.
        project: root of the project.
        urls: environment variables by which the tests find their servers.
        within: seconds until all must be well again after a fault.
    """

    def __init__(
        self,
        store: LeaseStore,
        owner: Owner,
        *,
        project: str,
        urls: Mapping[str, str],
        variables: Mapping[str, str],
        within: float = 30.0,
    ) -> None:
        self._store, self._owner, self._project = store, owner, project
        self._urls, self._variables = urls, variables
        self._ways: dict[str, Way] = {}
        self._steady: dict[str, Probe] = {}
        self.within = within
        self.recoveries: list[Recovery] = []

    def steady(self, what: str, probe: Probe) -> None:
        """Say what "well" means: proven before each fault, and awaited after it."""
        self._steady[what] = probe

    def steady_service(self, service: str) -> None:
        """Say that "well" means that a service works: a round trip through it.

        A row is written and read, a value, a message, or the page of an API that says it is ready. It goes
        through the proxy when there is one by then.

        Raises:
            UsageError: its URL is not in the environment.
        """
        url, endpoint = self._reached(service)
        scheme = url.partition(":")[0].partition("+")[0]
        kind = endpoint.kind if endpoint else SCHEMES.get(scheme, "other")
        health = endpoint.health if endpoint else ""

        def works() -> bool:
            way = self._ways.get(service)
            round_trip_of(kind, way.url if way else url, health=health)()
            return True

        self.steady(f"{service} works", works)

    def url(self, service: str) -> str:
        """Return a URL of a service through a proxy, on which faults of the network can be done.

        Raises:
            UsageError: the variable of this service is not set.
        """
        if service not in self._ways:
            self._ways[service] = Way(self._reached(service)[0])
        return self._ways[service].url

    def _reached(self, service: str) -> tuple[str, Endpoint | None]:
        """Return the URL by which the tests reach a service, and what was started there (None: not by us)."""
        for environment in environments(self._store, project=self._project):
            for endpoint in environment.endpoints:
                if endpoint.service == service and self._urls.get(endpoint.variable) == endpoint.url:
                    return endpoint.url, endpoint
        variable = self._variables.get(service, "")
        url = self._urls.get(variable)
        if not url:
            told = variable or "unknown service"
            raise UsageError(f"{service}: its URL is not in the environment ({told})")
        return url, None

    @contextlib.contextmanager
    def fault(self, action: str, service: str, **parameters: Any) -> Iterator[Fault]:
        """Break something while a block runs; it is undone however the block ends.

        Returns when the server answers again and everything steady holds; the times are in ``recoveries``.

        Args:
            action: one of ``toolkit.services.faults.model.ACTIONS``.
            service: its name in the configuration.
            parameters: the fields of :class:`Fault`.

        Raises:
            AssertionError: not steady before (then nothing is done), or not again within the time.
            UsageError: an unknown action or parameter, or a server that is not ours.
            EnvironmentFailed: it could not be done or undone.
        """
        __tracebackhide__ = True
        fault = as_fault({"action": action, "service": service, **parameters})
        self.prove_steady(f"before {action} of {service}")
        begun = time.monotonic()
        mend = self.begin(fault)
        try:
            yield fault
        except BaseException:
            with contextlib.suppress(AssertionError):  # what failed first is told
                self.await_answer(fault, mend())
            raise
        lasted = time.monotonic() - begun
        begun = time.monotonic()
        endpoint = mend()
        self.recover(fault, endpoint, lasted=lasted, begun=begun)

    def begin(self, fault: Fault) -> Callable[[], Endpoint | None]:
        """Do a fault; return what undoes it, which returns the server that was hit (or None)."""
        if is_network(fault):
            return self._begin_on_way(fault)
        environment, endpoint = injecting.find_target(self._store, self._project, fault.service, self._urls)
        lease = injecting.inject(self._store, self._owner, environment, endpoint, fault)
        mend = self._mending(lease, endpoint)
        if fault.action == "restart":
            mend()
        return mend

    def _mending(self, lease: Lease, endpoint: Endpoint) -> Callable[[], Endpoint]:
        def mend() -> Endpoint:
            if self._store.path(lease.id).exists():
                injecting.undo(self._store, lease)
                self._store.forget(lease)
                collect_ended()
            return endpoint

        return mend

    def _begin_on_way(self, fault: Fault) -> Callable[[], None]:
        way = self._ways.get(fault.service)
        if way is None:
            raise UsageError(
                f"{fault.action} of {fault.service}: nothing goes through a proxy",
                hint=f'give what you test the URL chaos.url("{fault.service}")',
            )
        way.set(fault)
        return lambda: way.set(None)

    def prove_steady(self, when: str) -> None:
        """Claim that all is well now.

        Raises:
            AssertionError: which is not, and what it said.
        """
        __tracebackhide__ = True
        for what, probe in self._steady.items():
            eventually(probe, within=0, what=f"{what}: steady {when}", ignoring=Exception)

    def await_answer(self, fault: Fault, endpoint: Endpoint | None) -> None:
        """Wait until a server answers a real query again; one that dies of the fault late is started again.

        Raises:
            AssertionError: not in time.
        """
        __tracebackhide__ = True
        if endpoint is not None:
            eventually(
                lambda: self._answers(fault, endpoint),
                within=self.within,
                every=0.01,
                what=f"{fault.service}: a query answered after {fault.action}",
                ignoring=EnvironmentFailed,
            )

    def _answers(self, fault: Fault, endpoint: Endpoint) -> bool:
        state = provisioning.state_of(endpoint)
        if state == "ready":
            return True
        if fault.action in MAY_KILL:
            injecting.revive(self._store, endpoint)
        raise EnvironmentFailed(state)

    def recover(self, fault: Fault, endpoint: Endpoint | None, *, lasted: float, begun: float) -> Recovery:
        """Wait until the server answers and everything steady holds; note how long that took.

        Args:
            fault: which was undone.
            endpoint: the server; None: only the way to it was hit.
            lasted: seconds of the fault.
            begun: when it began to be undone, by the monotonic clock.

        Raises:
            AssertionError: what is not well in time.
        """
        __tracebackhide__ = True
        end = begun + self.within
        self.await_answer(fault, endpoint)
        answered = time.monotonic() - begun
        for what, probe in self._steady.items():
            left = max(0.0, end - time.monotonic())
            name = f"{what}: steady again after {fault.action} of {fault.service}"
            eventually(probe, within=left, what=name, ignoring=Exception)
        recovery = Recovery(
            action=fault.action,
            service=fault.service,
            lasted=lasted,
            answered=answered,
            recovered=time.monotonic() - begun,
        )
        self.recoveries.append(recovery)
        return recovery

    def close(self) -> None:
        """End the proxies."""
        while self._ways:
            self._ways.popitem()[1].close()


def as_fault(values: Mapping[str, Any]) -> Fault:
    """Make a fault of plain values.

    Raises:
        UsageError: an unknown action, parameter or a wrong value; says which.
    """
    try:
        return msgspec.convert(dict(values), Fault)
    except msgspec.ValidationError as error:
        raise UsageError(f"{values.get('action')} of {values.get('service')}: {error}") from error
