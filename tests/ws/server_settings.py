"""The settings of a server that a test starts: options of ACCOUNTS come as JSON, in seconds."""

from __future__ import annotations

import json
import os
from datetime import timedelta

from tests.settings import *  # noqa: F403 - all of them
from tests.settings import ACCOUNTS

ACCOUNTS = ACCOUNTS | {
    name.upper(): timedelta(seconds=value) if isinstance(value, float) else value
    for name, value in json.loads(os.environ["TEST_WS_OPTIONS"]).items()
}
