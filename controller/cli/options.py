"""Options that commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Url = Annotated[str, typer.Option("--url", envvar="WAYPOST_URL", help="the controller's address")]
AsJson = Annotated[bool, typer.Option("--json", help="tell it as JSON")]
URL = "http://127.0.0.1:8080"
