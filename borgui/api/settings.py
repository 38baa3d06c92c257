"""``/api/settings``."""

from typing import Any

from borgui import settings
from borgui.api.blueprint import api, describes
from borgui.api.incoming import read_body
from borgui.models import Session, read_settings
from borgui.security.access import can
from borgui.security.permissions import Permission
from borgui.settings import SettingsChange


@api.get("/settings")
@describes("settings_show", answer=SettingsChange, tag="settings")
def settings_show() -> dict[str, Any]:
    """Every setting with its present value. The roots are null for who may not see file names."""
    return settings.fields(read_settings(Session()), browse=can(Permission.BROWSE))


@api.put("/settings")
@describes("settings_change", body=SettingsChange, answer=SettingsChange, tag="settings")
def settings_change() -> dict[str, Any]:
    """Change the settings given; the others stay."""
    return settings.fields(settings.change(Session(), read_body(SettingsChange)))
