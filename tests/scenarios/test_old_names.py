"""Old keys and values of a scenario are read as the present ones, with one line on stderr each."""

from pathlib import Path

import pytest
import yaml

from cutlayer.scenarios import aliases, load, shipped_names, shipped_path
from cutlayer.scenarios.aliases import OLD_KEYS
from cutlayer.scenarios.study import load_study

SERVER = "server: {device: server-8-core, slots: 1}"
PI = "device: raspberry-pi-4b, link: 4g"
METHODS = "methods: [classic_fl]\n"
STAR = f"topology:\n  star: {{{SERVER}, clients: [{{{PI}}}]}}\n"
BATCHING = STAR.replace("slots: 1", "slots: 1, discipline: {batching: {OLD: VALUE, REST}}")

# By the pattern: the text around OLD: VALUE, the value, and its line.
FORMS = {
    "availability.*.on_loss": (
        f"{STAR}availability:\n"
        "  - {clients: raspberry-pi-4b, OLD: VALUE, markov: {online: 9 s, offline: 9 s}}\n",
        "resume",
        "15: availability.0.on_loss",
    ),
    "computing.*.jitter": (
        f"{STAR}computing: [{{clients: raspberry-pi-4b, OLD: VALUE}}]\n",
        "{lognormal: 0.2}",
        "14: computing.0.jitter",
    ),
    "topology.*.server.discipline.batching.most": (
        BATCHING.replace("REST", "max_wait: 1 s"),
        "3",
        "13: topology.star.server.discipline.batching.most",
    ),
    "topology.*.server.discipline.batching.wait": (
        BATCHING.replace("REST", "max_jobs: 3"),
        "1 s",
        "13: topology.star.server.discipline.batching.wait",
    ),
    "topology.two_tier.edges": (
        f"topology:\n  two_tier:\n    {SERVER}\n    OLD: VALUE\n",
        f"[{{link: 4g, clients: [{{{PI}}}]}}]",
        "15: topology.two_tier.edges",
    ),
    "topology.three_tier.regions.*.edges": (
        f"topology:\n  three_tier:\n    {SERVER}\n    regions: [{{link: 4g, OLD: VALUE}}]\n",
        f"[{{link: 4g, clients: [{{{PI}}}]}}]",
        "15: topology.three_tier.regions.0.edges",
    ),
    "transport.tcp.loss": (
        f"{STAR}transport:\n  tcp:\n    OLD: VALUE\n",
        "mathis",
        "16: transport.tcp.loss",
    ),
    "transports.*.transport.tcp.loss": (
        f"{STAR}transports: [{{clients: raspberry-pi-4b, transport: {{tcp: {{OLD: VALUE}}}}}}]\n",
        "none",
        "14: transports.0.transport.tcp.loss",
    ),
}


def written(small: str, pattern: str, key: str, value: str) -> str:
    head = small.partition("topology:")[0]
    form = FORMS[pattern][0].replace("OLD", key).replace("VALUE", value)
    return f"{head.replace('  clients_per_round: 3', '')}{form}{METHODS}"


def test_every_old_key_has_a_case() -> None:
    assert set(FORMS) == set(OLD_KEYS)


@pytest.fixture(autouse=True)
def nothing_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aliases, "_reported", set())


@pytest.mark.parametrize("pattern", FORMS)
def test_an_old_key_is_read_as_the_present_one(pattern, read, small, capsys) -> None:
    _, value, place = FORMS[pattern]
    old, new = pattern.rpartition(".")[2], OLD_KEYS[pattern]
    first = read(written(small, pattern, old, value))
    again = read(written(small, pattern, old, value))
    line = f"s.yaml:{place}: {old} is deprecated: write {new}\n"
    assert capsys.readouterr().err == line  # once
    present = read(written(small, pattern, new, value))
    assert capsys.readouterr().err == ""
    assert first.resolved() == again.resolved() == present.resolved()


def test_an_old_value_is_read_as_the_present_one(read, small, capsys) -> None:
    pattern = "availability.*.on_loss"
    present = read(written(small, pattern, "on_disconnect", "drop"))
    assert capsys.readouterr().err == ""
    assert read(written(small, pattern, "on_disconnect", "lost")).resolved() == present.resolved()
    line = "s.yaml:15: availability.0.on_disconnect: lost is deprecated: write drop\n"
    assert capsys.readouterr().err == line


def test_an_old_key_beside_the_present_one_is_refused(problems, small) -> None:
    pattern = "transport.tcp.loss"
    both = written(small, pattern, "loss", "mathis, loss_model: pftk").replace(
        "\n    loss:", " {loss:"
    )
    (said,) = problems(both.replace("pftk", "pftk}"))
    assert said.startswith("s.yaml:15: transport.tcp.loss: is an unknown key; did you mean 'loss_m")


@pytest.mark.parametrize(
    ("overrides", "reported"),
    [
        (
            ["transport={tcp: {loss: mathis}}", "transport.tcp.loss_model=pftk"],
            ["--set: transport.tcp.loss: loss is deprecated: write loss_model"],
        ),
        (
            ["transport.tcp.loss_model=none", "transport.tcp.loss=pftk"],
            ["--set: transport.tcp.loss: loss is deprecated: write loss_model"],
        ),
        (["transport={tcp: {loss_model: pftk}}"], []),
    ],
)
def test_overrides_may_have_old_names(overrides, reported, read, small, capsys) -> None:
    assert read(small, *overrides).scenario.transport.loss_model == "pftk"
    assert capsys.readouterr().err.splitlines() == reported


def test_the_last_of_two_overrides_holds_whatever_names_they_have(read, small) -> None:
    entry = "availability=[{clients: a, markov: {online: 9 s, offline: 9 s}, on_loss: lost}]"
    (absence,) = read(small, entry, "availability.0.on_disconnect=resume").scenario.availability
    assert absence.on_disconnect == "resume"


STUDY = """\
name: old
scenario: base.yaml
set:
  transport.tcp.loss: mathis
axes:
  - {name: most, field: topology.star.server.discipline.batching.most, values: [2, 3]}
  - name: both
    zip: {transport.tcp.loss: [mathis, pftk], topology.star.server.slots: [1, 2]}
"""


def test_a_study_may_have_old_names(small, known, tmp_path: Path, capsys) -> None:
    base = f"{small}transport: {{tcp: {{}}}}\n"
    batching = "slots: 1, discipline: {batching: {most: 2, wait: 1 s}}"
    (tmp_path / "base.yaml").write_text(base.replace("slots: 1", batching), encoding="utf-8")
    (tmp_path / "study.yaml").write_text(STUDY, encoding="utf-8")

    def loader(path, overrides):
        return load(path, overrides=overrides, **known)

    study = load_study(tmp_path / "study.yaml", loader)
    last = study.scenario(study.points[-1]).scenario
    assert last.transport.loss_model == "pftk"
    assert last.topology.server.discipline.max_jobs == 3
    at = f"{tmp_path / 'study.yaml'}:"
    in_base = f"{tmp_path / 'base.yaml'}:14: topology.star.server.discipline.batching."
    axis = "topology.star.server.discipline.batching.most"
    assert sorted(capsys.readouterr().err.splitlines()) == [
        f"{in_base}most: most is deprecated: write max_jobs",
        f"{in_base}wait: wait is deprecated: write max_wait",
        f"{at}4: transport.tcp.loss: loss is deprecated: write loss_model",
        f"{at}6: {axis}: most is deprecated: write max_jobs",
        f"{at}8: transport.tcp.loss: loss is deprecated: write loss_model",
    ]


def test_what_is_shipped_has_no_old_names(capsys) -> None:
    for name in shipped_names():
        text = shipped_path(name).read_text(encoding="utf-8")
        aliases.rename_old(yaml.safe_load(text), {}, name)
    assert capsys.readouterr().err == ""
