"""`python -m labctl`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run labctl. Nothing is imported before Ctrl-C is in good hands."""
    from labctl.cli.ending import run_to_end

    def run() -> int:
        from labctl.cli.app import run

        return run()

    return run_to_end(run)


if __name__ == "__main__":
    sys.exit(main())
