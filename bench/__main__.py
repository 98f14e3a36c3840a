"""Run every measurement: `python -m bench [--quick]`; each also runs alone: `python -m bench.NAME`."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import bench


def main() -> int:
    """Run each module of this package in a process of its own; return 1 when one of them failed."""
    names = [
        module.name for module in pkgutil.iter_modules(bench.__path__) if not module.name.startswith("_")
    ]
    failed = [
        name for name in names if subprocess.call([sys.executable, "-m", f"bench.{name}", *sys.argv[1:]])
    ]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
