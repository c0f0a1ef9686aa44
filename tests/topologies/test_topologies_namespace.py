import subprocess
import sys

from cutlayer import topologies


def test_the_public_names_are_there_and_no_others():
    assert topologies.__all__ == sorted(topologies.__all__)
    assert {*topologies._HOME, "catalogue"} == set(topologies.__all__)
    for name in topologies.__all__:
        assert getattr(topologies, name).__doc__


def test_errors_are_value_errors_that_can_be_rebuilt():
    for name in topologies.__all__:
        if name.endswith("Error"):
            error = getattr(topologies, name)("why")
            assert isinstance(error, ValueError)
            assert type(error)(*error.args).args == error.args


def test_importing_it_does_not_import_torch():
    code = "import sys, topologies; sys.exit(bool({'torch', 'sim', 'networkx'} & {*sys.modules}))"
    subprocess.run([sys.executable, "-c", code], check=True)
