"""
``wechat-kf completion``: what makes a shell complete the command.
"""

from __future__ import annotations

import sys
from typing import Final, Literal

from cyclopts import App

from ._exits import Exit

__all__ = ["add_to"]

# So that the script works as a file ``_wechat-kf`` on the path of functions, and sourced.
_ZSH: Final = """
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _wechat-kf "$@"
else
  compdef _wechat-kf wechat-kf
fi
"""


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
        script = app.generate_completion(shell=shell)
        if shell == "zsh":
            # It only defines a function, which zsh calls if the file has that very name.
            script = script.replace("_cyclopts_wechat-kf", "_wechat-kf") + _ZSH
        sys.stdout.write(script)
        return Exit.DONE

    app.command(completion)
