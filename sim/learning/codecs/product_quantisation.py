"""Product quantisation on tensors."""

import torch
from torch import Tensor

from cutlayer.sim.codecs.codec import index_bits
from cutlayer.sim.learning.codecs.twin import Parts, Twin, Values, check_finite


class ProductQuantisation(Twin):
    """Replaces each subvector by the nearest centroid of its group."""

    def encode(self, values: Tensor, before: Tensor | None) -> Parts:  # noqa: ARG002
        """Return the centroids [groups, L, width] and the subvectors' numbers [n, subvectors]."""
        check_finite(values)
        count, groups = self.spec["subvectors"], self.spec["groups"]
        n, width = len(values), values[0].numel() // count
        grouped = values.reshape(n, groups, count // groups, width)
        found = [self._cluster(grouped[:, one].reshape(-1, width)) for one in range(groups)]
        centroids = torch.stack([centroids for centroids, _ in found])
        numbers = torch.stack([numbers.reshape(n, -1) for _, numbers in found], dim=1)
        bits = index_bits(centroids.shape[1])
        return Values(centroids, 32), Values(numbers.reshape(n, count), bits)

    def _cluster(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return the centroids of points, and the nearest one of each.

        Lloyd's iterations begin with random points; a centroid without points stays.
        """
        wanted = min(self.spec["centroids"], len(points))
        centroids = points[torch.randperm(len(points))[:wanted].to(points.device)]
        for _ in range(self.spec["iterations"]):
            numbers = nearest(points, centroids)
            counts = numbers.bincount(minlength=wanted).unsqueeze(1)
            sums = torch.zeros_like(centroids).index_add(0, numbers, points)
            centroids = torch.where(counts > 0, sums / counts.clamp_min(1), centroids)
        return centroids, nearest(points, centroids)

    def decode(self, parts: Parts, before: Tensor | None, shape: torch.Size) -> Tensor:  # noqa: ARG002
        """Return the centroids of all subvectors."""
        centroids, numbers = (part.numbers for part in parts if isinstance(part, Values))
        groups = len(centroids)
        grouped = numbers.reshape(len(numbers), groups, -1)
        looked_up = [centroids[one][grouped[:, one]] for one in range(groups)]
        return torch.stack(looked_up, dim=1).reshape(shape)


def nearest(points: Tensor, centroids: Tensor) -> Tensor:
    """Return the number of the nearest centroid of each point."""
    squares = centroids.square().sum(dim=1)
    return (squares - 2 * points @ centroids.T).argmin(dim=1)
