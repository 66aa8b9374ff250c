"""The command line in this process: for all tests of this folder."""

from tests.support.command_line import at_home, image, run

__all__ = ["at_home", "image", "run"]
