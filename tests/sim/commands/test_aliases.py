"""Methods, data sets, models, devices and links under the names that the field gives them."""

import pytest
from command_line import CommandLine, assert_refused, summary

from cutlayer.scenarios.aliases import METHODS, canonical, canonical_method, plain
from cutlayer.sim.methods.registry import METHODS as CATALOGUE
from cutlayer.sim.run.run import load_scenario


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("fedavg", "classic_fl"),
        ("FedAvg", "classic_fl"),
        ("sfl", "splitfed"),
        ("SFL-V1", "splitfed"),
        ("splitfedv1", "splitfed"),
        ("dpfl", "splitfed"),
        ("sflv2", "splitfed_v2"),
        ("SplitNN", "split_learning"),
        ("local-loss", "local_loss"),
        ("centralized", "centralised"),
        ("EcoFed", "ecofed"),
    ],
)
def test_a_method_is_found_by_the_fields_name_and_keeps_it_as_its_label(
    written: str, name: str, cli: CommandLine
) -> None:
    loaded = load_scenario("tiny.yaml", [f"methods=[{written}]"])
    (method,) = loaded.scenario.methods
    assert (method.name, method.label) == (name, written)
    (entry,) = loaded.resolved()["methods"]
    assert set(entry) == {name, "label"}


def test_the_old_word_for_models_is_still_listed(cli: CommandLine) -> None:
    old, new = cli("list", "networks"), cli("list", "models")
    assert (old.code, old.out) == (new.code, new.out) == (0, new.out)
    assert old.err == "list: networks is deprecated: write models\n"
    assert new.err == ""


def test_every_alias_leads_to_a_method_and_is_none_itself() -> None:
    assert set(METHODS.values()) <= set(CATALOGUE)
    assert all(alias == plain(alias) for alias in METHODS)
    # An alias must not hide a method, but for one that is written the same in plain letters.
    plainly = {plain(name): name for name in CATALOGUE}
    assert all(plainly.get(alias, name) == name for alias, name in METHODS.items())


def test_an_alias_gives_the_results_of_the_method(cli: CommandLine) -> None:
    options = ["--executor", "none", "--out"]
    entry = "methods=[{METHOD: {init: random}, label: x}]"
    for folder, name in (("a", "ecofed"), ("b", "EcoFed")):
        sets = ["--set", entry.replace("METHOD", name)]
        assert cli("run", "tiny.yaml", *sets, *options, folder).code == 0
    a, b = (summary(cli.folder / name) for name in "ab")
    assert a["methods"] == b["methods"]
    assert a["methods"]["x"]["method"] == "ecofed"
    assert a["scenario"] == b["scenario"]


def test_options_of_an_alias_are_checked_where_they_stand(cli: CommandLine) -> None:
    answer = cli.run("methods=[{Eco-Fed: {bits: 1}}]")
    assert_refused(answer, "methods.0.Eco-Fed.bits: must be at least 2")
    answer = cli.run("methods=[sfl, {sfl: {}, label: sfl}]")
    assert_refused(answer, "methods.1.label: must differ from the label of methods.0")


def test_what_is_no_alias_is_answered_with_the_closest_name(cli: CommandLine) -> None:
    assert_refused(cli.run("methods=[splitfedv3]"), "did you mean 'splitfed'?")


@pytest.mark.parametrize(
    ("override", "path", "name"),
    [
        ("data={dataset: CIFAR-10}", ("data", "dataset"), "cifar10"),
        ("data={dataset: FashionMNIST}", ("data", "dataset"), "fashion_mnist"),
        ("model.name=VGG-5", ("model", "name"), "vgg5"),
        ("topology.star.clients.0.device=Raspberry Pi 4B", (), "raspberry-pi-4b"),
        ("topology.star.clients.0.link=4G", (), "4g"),
    ],
)
def test_other_spellings_become_the_catalogues_name(
    override: str, path: tuple[str, ...], name: str, cli: CommandLine
) -> None:
    loaded = load_scenario("tiny.yaml", [override])
    resolved = loaded.resolved()
    if path:
        assert resolved[path[0]][path[1]] == name
    else:
        assert name in resolved["topology"]["star"]["clients"][0].values()


def test_two_names_of_one_spelling_are_no_answer() -> None:
    assert canonical("a b", ["a-b", "a_b"]) is None
    assert canonical("a-b", ["a-b", "a_b"]) == "a-b"
    assert canonical_method("fedavg", ["splitfed"]) is None


def test_show_knows_the_fields_names(cli: CommandLine) -> None:
    assert cli("show", "fedavg").out == cli("show", "classic_fl").out != ""
    assert cli("show", "CIFAR-10").out == cli("show", "cifar10").out != ""
