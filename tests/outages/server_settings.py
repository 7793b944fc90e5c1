"""The service's own settings, but Redis is never left alone: every act meets what is wrong."""

from datetime import timedelta

from authsvc.settings import *  # noqa: F403 - all of them
from authsvc.settings import ACCOUNTS

ACCOUNTS = ACCOUNTS | {"REDIS_COOLDOWN": timedelta(0)}
