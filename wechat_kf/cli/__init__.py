"""
The ``wechat-kf`` command.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ._simulate import add_arguments, simulate

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command.

    Args:
        arguments: Its arguments; those of the process by default.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(prog="wechat-kf", description="Tools for WeChat's customer-service API.")
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("simulate", help="stand in for WeChat on a port", description=simulate.__doc__)
    add_arguments(command)
    return simulate(parser.parse_args(arguments))
