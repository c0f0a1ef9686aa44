"""Operations without a cost rule: refused, or priced by their bytes and named as guesses."""

import pytest
from command_line import TINY, CommandLine, assert_refused

NET = '''\
"""A model with a matrix inverse, which has no cost rule."""

import torch
from torch import nn

from cutlayer.models import Model


class Inverse(nn.Module):
    def forward(self, x):
        return torch.linalg.inv(x + torch.eye(8, device=x.device))


def net(classes=10, input_shape=(3, 32, 32)):
    head = nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
    blocks = [("conv", nn.Conv2d(3, 1, 3, stride=4, padding=1)), ("inverse", Inverse()), ("fc", head)]
    return Model("net", blocks, input_shape, classes, feature_blocks=2)
'''


CHECK = ("check", "own.yaml", "--executor", "none")


@pytest.fixture
def own(cli: CommandLine) -> CommandLine:
    (cli.folder / "inverse_net.py").write_text(NET, encoding="utf-8")
    text = TINY.replace("{name: lenet, cut: 1}", "{name: 'inverse_net:net', cut: 1}")
    (cli.folder / "own.yaml").write_text(text, encoding="utf-8")
    return cli


def test_an_operation_without_a_rule_is_refused_with_its_name(own: CommandLine) -> None:
    assert_refused(
        own(*CHECK),
        "own.yaml:4: model.name: inverse: no cost rule for the operation 'linalg_inv_ex'; a model of"
        " your own can bring one (`cost_rules`), or a scenario prices it by its bytes (`model:"
        ' {unpriced: bytes}`) (got "inverse_net:net")',
    )


def test_an_operation_priced_by_its_bytes_is_named_as_a_guess(own: CommandLine) -> None:
    answer = own(*CHECK, "--set", "model.unpriced=bytes")
    assert answer.code == 0
    guessed = " ".join(answer.out.split())
    assert "model inverse_net:net: linalg_inv_ex guessed by the bytes moved" in guessed


def test_an_unknown_price_is_refused_with_the_choices(own: CommandLine) -> None:
    answer = own("check", "tiny.yaml", "--executor", "none", "--set", "model.unpriced=byte")
    assert_refused(
        answer, "model.unpriced: must be error or bytes; did you mean 'bytes'? (got \"byte\")"
    )
