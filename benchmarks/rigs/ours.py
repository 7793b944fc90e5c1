"""The service's shipped settings; only, there is one more path, with the view of the peers."""

from __future__ import annotations

from authsvc.settings import *  # noqa: F403 - that is what this is about

ROOT_URLCONF = "benchmarks.rigs.ours_urls"
