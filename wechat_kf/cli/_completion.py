"""
``wechat-kf completion``: what makes a shell complete the command.
"""

from __future__ import annotations

import sys
from typing import Literal

from cyclopts import App

from ._exits import Exit

__all__ = ["add_to"]


def add_to(app: App) -> None:
    """
    Add the command.
    """

    def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
        """
        Write a shell's completion script; save it where the shell looks for such scripts.

        Args:
            shell: The shell.
        """
        sys.stdout.write(app.generate_completion(shell=shell))
        return Exit.DONE

    app.command(completion)
