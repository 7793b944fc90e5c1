"""
``make bench-quick``: the check against stock simplejwt, by instructions, so that it stays cheap.

Fails when a ratio rises above the recorded one by more than TOLERANCE; with ``--record`` it is
written down anew. Where instructions cannot be counted, or PostgreSQL is missing, it says so and
passes.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import rig
from benchmarks.contenders import BY_NAME

RECORDED = Path(__file__).with_name("recorded.json")
# Other versions of Python and of the libraries; one version repeats to half a percent.
TOLERANCE = 0.03


def main() -> int:
    """Measure, compare, and return 1 when the check has become dearer."""
    if problem := rig.missing():
        print(f"not measured: {problem}")
        return 0
    names = ("stock", "ours", "ours-first")
    rig.make_databases(BY_NAME[name] for name in names)
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = dict(
            zip(names, pool.map(lambda name: rig.instructions(BY_NAME[name]), names), strict=True)
        )
    ratios = {name: round(found[name] / found["stock"], 3) for name in names[1:]}
    print(" ".join(f"{name} {found[name]:.2f} M" for name in names), f"ratios {ratios}")
    if "--record" in sys.argv:
        RECORDED.write_text(json.dumps(ratios, indent=2) + "\n", encoding="utf-8")
        return 0
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    dearer = [name for name in ratios if ratios[name] > recorded[name] + TOLERANCE]
    for name in dearer:
        print(f"{name}: {ratios[name]} of stock simplejwt, recorded {recorded[name]}")
    return 1 if dearer else 0


if __name__ == "__main__":
    sys.exit(main())
