"""`cutlayer --version`."""

from command_line import CommandLine

from cutlayer import __version__


def test_the_version_is_the_packages(cli: CommandLine) -> None:
    answer = cli("--version")
    assert (answer.code, answer.out, answer.err) == (0, f"cutlayer {__version__}\n", "")
