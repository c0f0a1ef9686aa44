"""Every text gets a unique file name that stays in its folder."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutlayer.sim.files.plain_text import LONGEST_NAME, FileNames


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("splitfed", "splitfed"),
        ("splitfed, round 0 (full)", "splitfed--round-0--full"),
        ("..", "-"),
        ("../../etc/passwd", "etc-passwd"),
        (".hidden", "hidden"),
        ("Gerät", "Ger-t"),
        ("東京", "-"),
        ("", "-"),
        ("x" * 300, "x" * LONGEST_NAME),
    ],
)
def test_a_name_has_plain_characters(text: str, name: str) -> None:
    assert FileNames().of(text) == name


def test_texts_with_the_same_plain_form_get_different_names() -> None:
    names = FileNames()
    assert [names.of(text) for text in ("a b", "a-b", "A/b", "東", "京", "a b-2")] == [
        "a-b", "a-b-2", "A-b-3", "-", "--2", "a-b-2-2",
    ]  # fmt: skip


@given(st.lists(st.text()))
def test_names_are_unique_and_stay_in_the_folder(texts: list[str]) -> None:
    names = FileNames()
    found = [names.of(text) for text in texts]
    assert len({name.lower() for name in found}) == len(texts)
    assert all(name.isascii() and "/" not in name and not name.startswith(".") for name in found)
