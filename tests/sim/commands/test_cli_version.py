"""`cutlayer --version`: the version of the package that answers."""

from importlib.metadata import version

from command_line import CommandLine


def test_the_version_is_the_packages(cli: CommandLine) -> None:
    answer = cli("--version")
    assert (answer.code, answer.out, answer.err) == (0, f"cutlayer {version('cutlayer')}\n", "")
