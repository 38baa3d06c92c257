"""How often one may try to sign in: counted in Redis, or in this process while Redis is away."""

import hashlib
import ipaddress
import threading
import time
from dataclasses import dataclass, field

import redis

from borgui.errors import TooMany


@dataclass(frozen=True, slots=True)
class Rule:
    """At most ``limit`` failed tries within ``seconds``."""

    name: str
    limit: int
    seconds: int


PAIR = Rule("pair", 5, 60)
"""One address, one username: a person who guesses."""
ADDRESS = Rule("address", 20, 60)
"""One address, any username."""
USERNAME = Rule("username", 50, 600)
"""One username from anywhere: high, or a stranger could lock a person out."""


@dataclass(slots=True)
class Local:
    """Counters of this process, for the time Redis is away."""

    counts: dict[str, tuple[int, float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hit(self, key: str, seconds: int) -> tuple[int, int]:
        """Count one; returns the count and the seconds until it begins anew."""
        moment = time.monotonic()
        with self.lock:
            if len(self.counts) > 10_000:
                self.counts = {k: v for k, v in self.counts.items() if v[1] > moment}
            count, until = self.counts.get(key, (0, 0.0))
            if until <= moment:
                count, until = 0, moment + seconds
            self.counts[key] = (count + 1, until)
        return count + 1, max(1, round(until - moment))

    def take_back(self, key: str) -> None:
        """Count one less."""
        with self.lock:
            count, until = self.counts.get(key, (0, 0.0))
            if count:
                self.counts[key] = (count - 1, until)


class Throttle:
    """Counts a try before it is judged, so that many at once do not slip through."""

    def __init__(self) -> None:
        self.local = Local()

    def attempt(self, client: redis.Redis, address: str, username: str) -> None:
        """Count one try; raises :class:`TooMany` with the seconds to wait."""
        waits = [
            wait
            for rule, key in _keys(address, username)
            for count, wait in [self._hit(client, key, rule.seconds)]
            if count > rule.limit
        ]
        if waits:
            raise TooMany(
                "too_many_attempts",
                f"Too many attempts to sign in. Try again in {max(waits)} seconds.",
                retry_after=max(waits),
            )

    def succeeded(self, client: redis.Redis, address: str, username: str) -> None:
        """Take a try back: it was no guess. The wrong ones before it stay counted."""
        for rule, key in _keys(address, username):
            self.local.take_back(key)
            try:
                pipeline = client.pipeline(transaction=True)
                pipeline.set(key, 1, ex=rule.seconds, nx=True)
                pipeline.decr(key)
                pipeline.execute()
            except redis.RedisError:
                return  # the counters end by themselves

    def _hit(self, client: redis.Redis, key: str, seconds: int) -> tuple[int, int]:
        try:
            pipeline = client.pipeline(transaction=True)
            pipeline.set(key, 0, ex=seconds, nx=True)
            pipeline.incr(key)
            pipeline.ttl(key)
            _, count, wait = pipeline.execute()
        except redis.RedisError:
            return self.local.hit(key, seconds)
        return int(count), max(1, int(wait))


def _keys(address: str, username: str) -> list[tuple[Rule, str]]:
    place, name = _network(address), username.strip().casefold()
    parts = ((PAIR, f"{place} {name}"), (ADDRESS, place), (USERNAME, name))
    return [(rule, f"borgui:try:{rule.name}:{_digest(text)}") for rule, text in parts]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _network(address: str) -> str:
    """An IPv6 customer has a whole /64: it counts as one address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):  # ::ffff:192.0.2.1 on a socket for both
        parsed = parsed.ipv4_mapped or parsed
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
