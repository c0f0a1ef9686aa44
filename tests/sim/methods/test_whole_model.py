"""Whole models train on devices that have the whole model, or the times would be those of a part."""

from command_line import CommandLine

HALF = """
from cutlayer.sim.methods.method import MethodOptions
from cutlayer.sim.methods.split_method import SplitMethod


class Half(SplitMethod):
    name = "half"
    summary = "trains the whole model where only its first blocks are"
    Options = MethodOptions

    def device(self, device, rnd):
        yield device.receive()
        for batch in device.batches:
            yield device.train_whole(batch)
        yield from device.send_weights("device", "server")

    def server(self, server, rnd):
        yield from server.send_weights("device", "server")
        yield server.receive()


class Whole(Half):
    @classmethod
    def cut(cls, cut, last):
        return last
"""


def test_a_device_with_the_first_blocks_only_cannot_train_the_whole_model(cli: CommandLine) -> None:
    (cli.folder / "halves_of_models.py").write_text(HALF, encoding="utf-8")
    answer = cli.run("methods=['halves_of_models:Half']")
    assert answer.code == 2
    assert "has the blocks up to cut 1 only: derive the method from WholeModel" in answer.err
    assert cli.run("methods=['halves_of_models:Whole']", "name=whole").code == 0
