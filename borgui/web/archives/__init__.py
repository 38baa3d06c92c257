"""Archives as pages: search, browse, a file's versions, compare, restore, delete and rename."""

from borgui.web.archives import browse, change, compare, mount, restore, search
from borgui.web.archives.blueprint import archives

__all__ = ["archives", "browse", "change", "compare", "mount", "restore", "search"]
