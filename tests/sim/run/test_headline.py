"""The bytes behind EcoFed's headline, from the shipped scenario (500 samples, batches of 10, VGG11).

Expected figures are derived from the public code (bb1c516), see the scenario; published: 133x fewer
bytes than classic FL and 16x fewer than SplitFed (v3), 114x and 13.78x (v2), 15.77x (v1).
"""

from functools import cache

import pytest

from cutlayer import load_scenario, run

EXPECTED = {
    "classic_fl": 275_552_108,
    "splitfed": 33_447_606,
    "local_loss": 17_698_018,
    "fedgkt": 17_773_752,
    "ecofed": 2_073_983,
}


@cache
def bytes_per_client_round(*overrides: str) -> dict[str, float]:
    (result,) = run(load_scenario("ecofed_headline", overrides), executor="none")
    return {
        label: method.summary({})["wire_bytes"]["per_client_round"]
        for label, method in result.methods.items()
    }


@pytest.mark.parametrize("method", EXPECTED)
def test_bytes_per_client_and_round(method):
    assert bytes_per_client_round("training.rounds=2")[method] == pytest.approx(
        EXPECTED[method], rel=0.005
    )


@pytest.mark.parametrize(
    ("more", "fewer", "ratio"),
    [
        ("classic_fl", "ecofed", 132.86),
        ("splitfed", "ecofed", 16.13),
        ("classic_fl", "splitfed", 8.24),
        ("classic_fl", "local_loss", 15.57),
        ("classic_fl", "fedgkt", 15.50),
    ],
)
def test_ratios(more, fewer, ratio):
    found = bytes_per_client_round("training.rounds=2")
    assert found[more] / found[fewer] == pytest.approx(ratio, rel=0.005)


def test_resnet9():
    found = bytes_per_client_round(
        "training.rounds=2", "model.name=resnet9", "methods=[classic_fl, splitfed, ecofed]"
    )
    assert found["classic_fl"] / found["ecofed"] == pytest.approx(36.25, rel=0.005)
    assert found["classic_fl"] / found["splitfed"] == pytest.approx(2.25, rel=0.005)
    assert found["classic_fl"] == pytest.approx(71.708 * 2**20, rel=0.005)


def test_every_byte_by_hand():
    """One client's two rounds of each method, from tensors and framing."""
    whole = 4 * 34_440_970 + 163 + 315 * 38
    block = 4 * 76_032 + 163 + 315 * 8
    both = block + 4 * (8192 + 1) * 10 + 315 * 2  # with the auxiliary head
    activation, gradient, logits = 10 * (4 * 8192 + 8) + 755, 10 * 4 * 8192 + 491, 400 + 491
    quantised = 10 * (8192 + 8) + 820
    assert bytes_per_client_round("training.rounds=2") == {
        "classic_fl": 2 * whole,
        "splitfed": 2 * block + 50 * (activation + gradient),
        "local_loss": 2 * both + 50 * activation,
        "fedgkt": 2 * both + 50 * (activation + 400 + 224 + logits),
        "ecofed": (50 * quantised + 50 * 104) / 2,
    }


def test_the_switches_lead_back_to_the_preprints():
    """With the block sent down, and with late first uploads, over the paper's 500 rounds."""
    down, late = "download_device_block: true", "upload_when_unbuffered: true"
    found = bytes_per_client_round(
        "training.rounds=500",
        f"methods=[{{ecofed: {{}}, label: v3}}, {{ecofed: {{{late}}}, label: v1}},"
        f" {{ecofed: {{{down}, {late}}}, label: v2}}]",
    )
    classic, splitfed = EXPECTED["classic_fl"], EXPECTED["splitfed"]
    assert found["v3"] < found["v1"] < found["v2"]
    assert splitfed / found["v1"] == pytest.approx(15.77, rel=0.015)
    assert splitfed / found["v2"] == pytest.approx(13.78, rel=0.015)
    assert classic / found["v2"] == pytest.approx(114, rel=0.015)


def test_late_uploads_weigh_most_in_a_short_run():
    found = bytes_per_client_round(
        "training.rounds=40",
        "methods=[{ecofed: {download_device_block: true, upload_when_unbuffered: true}}]",
    )
    assert 12 < EXPECTED["splitfed"] / found["ecofed"] < 13.5
