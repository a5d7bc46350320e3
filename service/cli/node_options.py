"""The options of `datdot node`, made of the table of its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from service.node.options import BY_NAME


def setting(name: str, metavar: str, *more: str) -> Any:
    """Return the option of a setting. `more` are other names of it."""
    one = BY_NAME[name]
    said = f"{one.help[:1].upper()}{one.help[1:]} (default: {one.default})."
    return typer.Option(one.flag, *more, envvar=one.variable, metavar=metavar, help=said)


ChainSetting = Annotated[str | None, setting("chain", "URL")]
RolesSetting = Annotated[str | None, setting("roles", "a,b")]
InitRolesSetting = Annotated[str | None, setting("roles", "a,b", "--role")]
ListenSetting = Annotated[str | None, setting("listen", "HOST:PORT")]
AnnounceSetting = Annotated[str | None, setting("announce", "HOST:PORT")]
PeerSetting = Annotated[list[str] | None, setting("peers", "KEY@HOST:PORT")]
BootstrapSetting = Annotated[list[str] | None, setting("bootstrap", "HOST:PORT|public")]
RelaySetting = Annotated[str | None, setting("relay", "KEY")]
UploadLimitSetting = Annotated[str | None, setting("upload_limit", "RATE")]
CapacitySetting = Annotated[str | None, setting("hosting_capacity", "SIZE")]
ReserveSetting = Annotated[str | None, setting("hosting_reserve", "SIZE")]
AskDiskSetting = Annotated[str | None, setting("hosting_ask_disk", "X")]
AskReceivingSetting = Annotated[str | None, setting("hosting_ask_receiving", "X")]
RegionSetting = Annotated[str | None, setting("hosting_region", "G")]
AskEncodingSetting = Annotated[str | None, setting("encoding_ask", "X")]
AskReportSetting = Annotated[str | None, setting("attesting_ask", "X")]
SlotsSetting = Annotated[str | None, setting("attesting_slots", "N")]
HttpSetting = Annotated[str | None, setting("http_listen", "HOST:PORT")]
HttpNameSetting = Annotated[list[str] | None, setting("http_names", "NAME")]
HttpReaderSetting = Annotated[list[str] | None, setting("http_readers", "NETWORK")]
AlertTargetSetting = Annotated[list[str] | None, setting("alerts_targets", "URL")]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="DATDOT_CONFIG",
        metavar="FILE",
        help="TOML file of settings; what neither it nor an option says has its default.",
    ),
]
