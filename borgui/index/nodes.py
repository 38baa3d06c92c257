"""What a folder is made of on its way into the index."""

from typing import NamedTuple


class Node(NamedTuple):
    """A folder that is in the index. ``digest`` in hex; ``files`` and ``size`` with all below."""

    id: int
    digest: str
    files: int
    size: int


class Row(NamedTuple):
    """One entry of a folder.

    ``folded``: see :func:`borgui.index.schema.fold`. ``attributes``: as
    :mod:`borgui.borg.listing` has them, or empty for a folder that borg does not list, only what
    is in it. ``child``: what a folder holds, None for nothing.
    """

    folded: str
    name: str
    attributes: str
    child: Node | None

    @property
    def is_folder(self) -> bool:
        """Whether it is one, listed or not."""
        return self.attributes[:1] in ("d", "")
