"""The recorded runs of real borg under tests/data/borg-streams, and how to replay one."""

from dataclasses import dataclass
from pathlib import Path

from borgui.borg.events import Event, parse_line
from borgui.borg.evidence import Evidence

ROOT = Path(__file__).parents[2] / "data" / "borg-streams"
VERSIONS = ("1.2.4", "1.4.5")


@dataclass(frozen=True)
class Case:
    """One recorded run; ``exit_code`` as Popen.returncode."""

    version: str
    name: str
    exit_code: int
    events: tuple[Event, ...]

    @property
    def evidence(self) -> Evidence:
        found = Evidence()
        for event in self.events:
            found.feed(event)
        return found


def load(version: str, name: str) -> Case:
    folder = ROOT / version
    lines = (folder / f"{name}.stderr").read_bytes().split(b"\n")
    events = tuple(event for line in lines for event in parse_line(line))
    return Case(version, name, int((folder / f"{name}.exit").read_text()), events)


def stdout(version: str, name: str) -> bytes:
    return (ROOT / version / f"{name}.stdout").read_bytes()


def all_names() -> list[tuple[str, str]]:
    return [(v, p.stem) for v in VERSIONS for p in sorted((ROOT / v).glob("*.stderr"))]
