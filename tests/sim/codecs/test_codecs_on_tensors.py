"""Codecs on tensors: messages have the stated bytes, and slow twins in numpy give the same values."""

import itertools

import numpy as np
import pytest
import torch
from codec_cases import UPS, down, up
from torch import Tensor

from cutlayer.models.quantise import QuantisationError
from cutlayer.sim.learning.codecs.codec_operations import TWINS
from cutlayer.sim.learning.codecs.twin import Twin, Values, packed

SHAPE = (6, 5, 4)
N = 7


def twin(name: str) -> Twin:
    spec = up(name).spec
    return TWINS[spec["name"]](spec)


def values(seed: int = 0, shape: tuple[int, ...] = (N, *SHAPE)) -> Tensor:
    """An activation after a ReLU: many values are equal, and some are 0."""
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return (10 * drawn).round().clamp_min(0) / 10


def sent(name: str, x: Tensor, before: Tensor | None, seed: int = 1) -> tuple[Tensor, list[Tensor]]:
    """What the receiver has, and the bytes of the parts."""
    coder = twin(name)
    torch.manual_seed(seed)
    parts = coder.encode(x, before)
    return coder.decode(parts, before, x.shape), [packed(part) for part in parts]


@pytest.fixture(autouse=True)
def _own_generator() -> None:
    with torch.random.fork_rng():
        yield


@pytest.mark.parametrize("shape", [SHAPE, (6, 20), (120,)])
@pytest.mark.parametrize("n", [1, N])
@pytest.mark.parametrize("name", UPS)
def test_messages_have_the_stated_bytes(name: str, n: int, shape: tuple[int, ...]) -> None:
    _, parts = sent(name, values(shape=(n, *shape)), values(3, (n, *shape)))
    assert [part.numel() for part in parts] == [field.bytes for field in up(name).fields(shape, n)]
    assert all(part.dtype == torch.uint8 for part in parts)


@pytest.mark.parametrize("name", UPS)
def test_shapes_and_types_stay(name: str) -> None:
    decoded, _ = sent(name, values(), values(3))
    assert (decoded.shape, decoded.dtype) == (values().shape, torch.float32)


def test_packed_numbers_can_be_read_again() -> None:
    numbers = torch.tensor([5, 0, 31, 16, 7])
    stream = np.unpackbits(packed(Values(numbers, 5)).numpy(), bitorder="little")
    read = [int((stream[5 * i : 5 * i + 5] * 2 ** np.arange(5)).sum()) for i in range(5)]
    assert read == numbers.tolist()


def test_identity_changes_nothing() -> None:
    decoded, _ = sent("identity", values(), None)
    assert torch.equal(decoded, values())


def test_half_precision() -> None:
    x = torch.tensor([[1 / 3, 1e6, -1e6, 65504.0]])
    decoded, _ = sent("fp16", x, None)
    right = np.float16([1 / 3, 65504, -65504, 65504]).astype(np.float32)
    assert decoded.numpy()[0].tolist() == right.tolist()
    decoded, _ = sent("bf16", x, None)
    assert decoded.tolist() == [[0.333984375, 999424.0, -999424.0, 65536.0]]


def rounded(x: np.ndarray, bits: int, scale: np.ndarray | np.float32) -> np.ndarray:
    levels = 2 ** (bits - 1) - 1
    return np.clip(np.round(x / scale), -levels, levels).astype(np.float32) * scale


def quantised(x: np.ndarray, bits: int) -> np.ndarray:
    return rounded(x, bits, np.float32(np.abs(x).max() / (2 ** (bits - 1) - 1)))


def test_integers_of_a_tensor() -> None:
    decoded, _ = sent("int of 5 bits", values(), None)
    assert decoded.numpy() == pytest.approx(quantised(values().numpy(), 5))


def test_integers_of_channels() -> None:
    x = values()
    x[:, 2] *= 100
    x[:, 4] = 0
    decoded, _ = sent("int per channel", x, None)
    right = [rounded(x[:, c].numpy(), 6, scale_of(x[:, c])) for c in range(6)]
    assert decoded.numpy() == pytest.approx(np.stack(right, axis=1))


def scale_of(x: Tensor) -> np.float32:
    return np.maximum(np.abs(x.numpy()).max() / np.float32(31), np.finfo(np.float32).tiny)


def largest(row: np.ndarray, k: int) -> list[int]:
    """The places of the k largest magnitudes, the first of equal ones."""
    return sorted(sorted(range(len(row)), key=lambda i: (-abs(row[i]), i))[:k])


def test_top_k() -> None:
    x = values()
    decoded, _ = sent("top_k", x, None)
    for row, other in zip(x.flatten(1).numpy(), decoded.flatten(1).numpy(), strict=True):
        places = largest(row, 34)
        right = np.zeros(120, np.float32)
        right[places] = row[places].astype(np.float16)
        assert other.tolist() == right.tolist()


def test_top_k_masks_what_it_leaves_out() -> None:
    x = values()
    coder = twin("top_k of rows")
    mask = coder.mask(coder.encode(x, None), x.shape)
    assert mask is not None
    for row, marks in zip(x.reshape(-1, 4).numpy(), mask.reshape(-1, 4), strict=True):
        assert marks.nonzero()[:, 0].tolist() == largest(row, 2)


def test_error_feedback_adds_what_was_left_out() -> None:
    """Over all messages, nothing is lost: sent + left out = everything that was to be sent."""
    coder = twin("top_k with feedback")
    left: Tensor | None = torch.full((N, *SHAPE), torch.nan)
    total = received = torch.zeros(N, *SHAPE)
    for seed in range(5):
        x = values(seed)
        decoded = coder.decode(coder.encode(x, left), left, x.shape)
        left = coder.keep(x, left, decoded)
        total, received = total + x, received + decoded
        assert (decoded != 0).flatten(1).sum(dim=1).le(12).all()
        assert torch.allclose(received + left, total, atol=1e-5)


def test_rand_top_k_sends_k_values_at_their_places() -> None:
    x = torch.randn(2000, 10, generator=torch.Generator().manual_seed(0))
    spec = up({"rand_top_k": {"share": 0.3, "alpha": 0.2, "bits": 32}}).spec
    coder = TWINS["rand_top_k"](spec)
    torch.manual_seed(0)
    parts = coder.encode(x, None)
    mask, decoded = coder.mask(parts, x.shape), coder.decode(parts, None, x.shape)
    assert mask is not None
    assert mask.sum(dim=1).eq(3).all()
    assert torch.equal(decoded, x * mask)
    is_large = torch.zeros_like(mask)
    is_large[torch.arange(2000)[:, None], x.abs().topk(3).indices] = True
    others = (mask & ~is_large).sum(dim=1)
    # Binomial with k = 3 and alpha = 0.2: mean 0.6, standard deviation of 2000 draws' mean 0.0155.
    assert others.float().mean().item() == pytest.approx(0.6, abs=0.08)
    shares = others.bincount(minlength=4) / 2000
    assert shares.tolist() == pytest.approx([0.512, 0.384, 0.096, 0.008], abs=0.06)
    # Each of the seven others is as likely, and each of the three largest.
    order = x.abs().argsort(dim=1, descending=True)
    at_rank = mask.gather(1, order).float().mean(dim=0)
    assert at_rank.tolist() == pytest.approx([0.8] * 3 + [0.6 / 7] * 7, abs=0.05)


def test_rand_top_k_without_chance_is_top_k() -> None:
    x = values()
    spec = up({"rand_top_k": {"share": 0.3, "alpha": 0.0}}).spec
    parts = TWINS["rand_top_k"](spec).encode(x, None)
    top = TWINS["top_k"](up({"top_k": {"share": 0.3}}).spec).encode(x, None)
    for part, other in zip(parts, top, strict=True):
        assert torch.equal(part.numbers, other.numbers)  # type: ignore[union-attr]


def test_rand_top_k_of_almost_all_values() -> None:
    """There is one other value only: no more can be replaced."""
    x = values(shape=(50, 4))
    spec = up({"rand_top_k": {"share": 0.75, "alpha": 0.99}}).spec
    places = TWINS["rand_top_k"](spec).encode(x, None)[1].numbers  # type: ignore[union-attr]
    assert all(len(set(row)) == 3 for row in places.tolist())


def test_aq_sgd_adds_the_quantised_change() -> None:
    before, x = values(3), values()
    decoded, _ = sent("aq_sgd", x, before)
    right = before.numpy() + quantised((x - before).numpy(), 4)
    assert decoded.numpy() == pytest.approx(right)
    assert torch.equal(twin("aq_sgd").keep(x, before, decoded), decoded)


def test_values_that_are_not_kept_count_as_zero() -> None:
    before = torch.full((N, *SHAPE), torch.nan)
    decoded, _ = sent("aq_sgd", values(), before)
    assert decoded.numpy() == pytest.approx(quantised(values().numpy(), 4))


def test_low_rank_factors_of_low_rank_values() -> None:
    """A matrix of rank 2 is sent up to rounding; 16 bits round by 2^-15 of the largest number."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(N, side, 2, generator=generator) for side in (6, 20))
    x = (left @ right.mT).reshape(N, *SHAPE)
    coder = TWINS["low_rank"](up({"low_rank": {"rank": 2, "bits": 16, "residual": False}}).spec)
    decoded = coder.decode(coder.encode(x, None), None, x.shape)
    assert torch.allclose(decoded, x, atol=1e-2)


def test_low_rank_follows_its_power_iteration() -> None:
    before, x = values(3), values()
    decoded, _ = sent("low_rank", x, before)
    torch.manual_seed(1)
    right = torch.randn(N, 20, 2).double().numpy()
    change = (x - before).reshape(N, 6, 20).double().numpy()
    for _ in range(2):
        left = np.linalg.qr(change @ right)[0]
        right = change.transpose(0, 2, 1) @ left
    product = quantised(left, 8) @ quantised(right, 8).transpose(0, 2, 1)
    # A number that lies between two levels may be rounded the other way: one level is 2.6 / 127.
    assert decoded.numpy() == pytest.approx(before.numpy() + product.reshape(x.shape), abs=0.1)


def test_low_rank_approaches_the_best_approximation() -> None:
    x = values()
    section = {"rank": 3, "bits": 16, "residual": False, "steps": 30}
    coder = TWINS["low_rank"](up({"low_rank": section}).spec)
    error = (coder.decode(coder.encode(x, None), None, x.shape) - x).reshape(N, 6, 20)
    singular = torch.linalg.svdvals(x.reshape(N, 6, 20))[:, 3:]
    best = singular.square().sum(dim=1).sqrt()
    assert torch.allclose(error.flatten(1).norm(dim=1), best, rtol=0.02)


def test_product_quantisation_follows_lloyds_iterations() -> None:
    x = values()
    decoded, _ = sent("product_quantisation", x, None)
    torch.manual_seed(1)
    right = np.empty((N, 4, 30), np.float32)
    for group in range(2):
        points = x.reshape(N, 4, 30)[:, 2 * group : 2 * group + 2].reshape(-1, 30).numpy()
        centroids = points[torch.randperm(len(points))[:5].numpy()]
        for _ in range(5):
            numbers = nearest(points, centroids)
            for centroid in range(5):
                if (numbers == centroid).any():
                    centroids[centroid] = points[numbers == centroid].mean(axis=0)
        looked_up = centroids[nearest(points, centroids)]
        right[:, 2 * group : 2 * group + 2] = looked_up.reshape(N, 2, 30)
    assert decoded.numpy() == pytest.approx(right.reshape(x.shape), abs=1e-5)


def nearest(points: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    return ((points[:, None] - centroids[None]) ** 2).sum(axis=2).argmin(axis=1)


def test_product_quantisation_of_few_points_is_exact() -> None:
    """As many centroids as subvectors: each is its own centroid."""
    x = values(shape=(2, 12)) + torch.arange(24).reshape(2, 12)
    spec = up({"product_quantisation": {"subvectors": 3, "centroids": 6}}).spec
    coder = TWINS["product_quantisation"](spec)
    decoded = coder.decode(coder.encode(x, None), None, x.shape)
    assert torch.equal(decoded, x)


def test_splitcom_sends_the_samples_that_moved_most() -> None:
    before, x = values(3), values(3)
    for sample, distance in enumerate([0.1, 3, 0, 2, 0.2, 5, 1]):
        x[sample, 0, 0, 0] += distance
    before[4] = float("nan")  # neither end has this one: it goes first
    decoded, _ = sent("splitcom", x, before)
    coder = twin("splitcom")
    mask = coder.mask(coder.encode(x, before), x.shape)
    assert mask is not None
    assert mask[:, 0, 0, 0].nonzero()[:, 0].tolist() == [1, 4, 5]
    for sample in range(N):
        assert torch.equal(decoded[sample], (x if sample in (1, 4, 5) else before)[sample])


def test_kept_rounds_gradients() -> None:
    spec = down({"kept": {"bits": 16}}, {"top_k": {"share": 0.5}}).spec
    coder = TWINS["kept"](spec)
    x = torch.tensor([[1 / 3, -1e6]])
    decoded = coder.decode(coder.encode(x, None), None, x.shape)
    assert decoded.tolist() == [[float(np.float16(1 / 3)), -65504.0]]


@pytest.mark.parametrize(
    "name", ["int", "int per channel", "aq_sgd", "low_rank", "product_quantisation"]
)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(name: str, bad: float) -> None:
    x = values()
    x[0, 0, 0, 0] = bad
    with pytest.raises(QuantisationError, match=r"NaN or infinite .* training has diverged"):
        sent(name, x, values(3))


def test_inputs_stay_unchanged() -> None:
    for name, seed in itertools.product(UPS, (0, 4)):
        x, before = values(seed), values(3)
        sent(name, x, before)
        assert torch.equal(x, values(seed))
        assert torch.equal(before, values(3))
