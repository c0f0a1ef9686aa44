"""Small networks as their users write them: plain modules, which know nothing of blocks or cuts."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """A block of a ResNet, with running statistics and ReLU in place."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, classes=10, input_shape=(3, 16, 16)):
        super().__init__()
        self.conv1 = nn.Conv2d(input_shape[0], 4, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Residual(4, 4), Residual(4, 4))
        self.layer2 = nn.Sequential(Residual(4, 8, 2))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(self.avgpool(x), 1))


def _double(inputs, outputs):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.GroupNorm(2, outputs), nn.ReLU(inplace=True)
    )


class UNet(nn.Module):
    """Skip connections from each level of the encoder to that of the decoder."""

    def __init__(self, num_classes=10):
        super().__init__()
        self.enc1, self.enc2, self.middle = _double(3, 4), _double(4, 8), _double(8, 8)
        self.pool = nn.MaxPool2d(2)
        self.up2, self.dec2 = nn.ConvTranspose2d(8, 8, 2, 2), _double(16, 8)
        self.up1, self.dec1 = nn.ConvTranspose2d(8, 4, 2, 2), _double(8, 4)
        self.head = nn.Linear(4, num_classes)

    def forward(self, x):
        first = self.enc1(x)
        second = self.enc2(self.pool(first))
        x = self.middle(self.pool(second))
        x = self.dec2(torch.cat([self.up2(x), second], 1))
        x = self.dec1(torch.cat([self.up1(x), first], 1))
        return self.head(x.mean((2, 3)))


class CausalAttention(nn.Module):
    def __init__(self, width, heads, tokens):
        super().__init__()
        self.heads = heads
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.register_buffer("mask", torch.tril(torch.ones(tokens, tokens))[None, None])

    def forward(self, x):
        batch, tokens, width = x.size()
        parts = self.qkv(x).split(width, dim=2)
        shape = batch, tokens, self.heads, width // self.heads
        query, key, value = (part.view(shape).transpose(1, 2) for part in parts)
        scores = (query @ key.transpose(-2, -1)) * (1.0 / key.size(-1) ** 0.5)
        scores = scores.masked_fill(self.mask[:, :, :tokens, :tokens] == 0, float("-inf"))
        mixed = functional.softmax(scores, dim=-1) @ value
        return self.project(mixed.transpose(1, 2).contiguous().view(batch, tokens, width))


class Layer(nn.Module):
    def __init__(self, width, heads, tokens):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = CausalAttention(width, heads, tokens)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    """Classifies a sequence of tokens (whole numbers below 16)."""

    def __init__(self, classes=10, input_shape=(12,)):
        super().__init__()
        (tokens,) = input_shape
        self.tokens, self.positions = nn.Embedding(16, 8), nn.Embedding(tokens, 8)
        self.layers = nn.ModuleList(Layer(8, 2, tokens) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, classes, bias=False)

    def forward(self, tokens):
        positions = torch.arange(tokens.size(1), device=tokens.device)
        x = self.tokens(tokens) + self.positions(positions)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x)[:, -1])


class ViT(nn.Module):
    """A class token, positions as a parameter, and torch's own encoder."""

    def __init__(self, classes=10):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.positions = nn.Parameter(torch.randn(1, 17, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        return self.head(self.encoder(x)[:, 0])


class Inverted(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.adds = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            *(nn.Conv2d(inputs, 8, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True)),
            nn.Conv2d(8, 8, 3, stride, 1, groups=8, bias=False),
            *(nn.BatchNorm2d(8), nn.ReLU6(inplace=True)),
            *(nn.Conv2d(8, outputs, 1, bias=False), nn.BatchNorm2d(outputs)),
        )

    def forward(self, x):
        return x + self.conv(x) if self.adds else self.conv(x)


class MobileNet(nn.Module):
    """Depthwise convolutions and running statistics."""

    def __init__(self, num_classes=10, **more):
        super().__init__()
        del more
        stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU6(inplace=True))
        self.features = nn.Sequential(stem, Inverted(4, 4, 1), Inverted(4, 8, 2))
        self.classifier = nn.Sequential(nn.Dropout(0.0), nn.Linear(8, num_classes))

    def forward(self, x):
        x = functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


class LSTM(nn.Module):
    """Two recurrent layers, one with the batch in front and one without, and states from zeros."""

    def __init__(self, classes=10):
        super().__init__()
        self.rows = nn.Conv2d(3, 2, 3, 2, 1)
        self.first = nn.LSTM(16, 6, batch_first=True)
        self.second = nn.LSTM(6, 6, 2)
        self.out = nn.Linear(6, classes)

    def forward(self, x):
        x = self.rows(x).permute(0, 2, 1, 3).flatten(2)
        zeros = torch.zeros(1, x.size(0), 6)
        x, _ = self.first(x, (zeros, zeros.clone()))
        x, (state, _) = self.second(x.transpose(0, 1))
        return self.out(state[-1] + x[-1])


class InPlace(nn.Module):
    """`x += y` changes `x` under its other name, too: after the cut behind `conv`, before the next."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv, self.mid, self.fc = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Linear(3, classes)
        self.shift = nn.Parameter(torch.randn(3, 1, 1))

    def forward(self, x):
        x = self.conv(x)
        other = x
        x += self.shift
        x = self.mid(x)
        return self.fc((x + other * 2).mean((2, 3)))


class Preactivation(nn.Module):
    """The shortcut starts before a BatchNorm: the model can be cut between them."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv, self.norm, self.mid = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)
        self.fc = nn.Linear(4, classes)

    def forward(self, x):
        x = self.conv(x)
        x = x + self.mid(torch.relu(self.norm(x)))
        return self.fc(x.mean((2, 3)))


class WithoutGradients(nn.Module):
    """Features that are computed without gradients, a view and items of a tuple among them."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv, self.norm, self.mid = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)
        self.fc = nn.Linear(4, classes)

    def forward(self, x):
        with torch.no_grad():
            x = self.norm(self.conv(x))
            left, right = x.split(2, dim=1)
        x = torch.cat([self.mid(x)[:, :2] * left, right], 1)
        return self.fc(x.mean((2, 3)))


class Masked(nn.Module):
    """An attention mask [batch, 1, 12, 12] is made of the tokens that are not 0, as is the output."""

    def __init__(self, classes=10):
        super().__init__()
        self.tokens = nn.Embedding(16, 8)
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
        self.head = nn.Linear(8, classes)

    def forward(self, tokens):
        real = tokens != 0
        mask = real[:, None, None, :].expand(-1, 1, tokens.shape[1], -1)
        x = self.tokens(tokens)
        for layer in self.layers:
            q = layer(x)[:, None]
            x = x + functional.scaled_dot_product_attention(q, q, q, attn_mask=mask)[:, 0]
        last = (torch.arange(tokens.shape[1], device=x.device) * (tokens != 0)).argmax(1)
        return self.head(x[torch.arange(x.shape[0], device=x.device), last])


class ChecksTypes(nn.Module):
    """Proxies do not pass its checks; torch.export records its draws, statistics and constants."""

    def __init__(self, classes=10):
        super().__init__()
        self.conv, self.norm, self.inner = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), Strict(4)
        self.drop, self.fc = nn.Dropout(0.5), nn.Linear(4, classes)

    def forward(self, x):
        if not isinstance(x, Tensor):
            raise TypeError("expected a tensor")
        x = self.drop(torch.relu(self.norm(self.conv(x))))
        with torch.no_grad():
            weights = torch.softmax(x.mean((2, 3)), 1)
        x = x * weights[:, :, None, None] * torch.tensor([1.0, 2.0, 1.0, 0.5])[:, None, None]
        first, second = x.chunk(2, dim=2)
        mask = torch.arange(x.shape[0] * 4, device=x.device).view(-1, 4) >= 0
        return self.fc(self.inner((first.mean((2, 3)) + second.mean((2, 3))) * mask))


NETS: dict[str, tuple[int, ...]] = {  # the shapes of their inputs
    "ResNet": (3, 16, 16),
    "UNet": (3, 16, 16),
    "GPT": (12,),
    "ViT": (3, 16, 16),
    "MobileNet": (3, 16, 16),
    "LSTM": (3, 16, 16),
    "InPlace": (3, 16, 16),
    "Preactivation": (3, 16, 16),
    "WithoutGradients": (3, 16, 16),
    "Masked": (12,),
    "ChecksTypes": (3, 10, 10),
}
TOKENS = ("GPT", "Masked")  # those of `NETS` that take whole numbers below 16


def sequence() -> nn.Sequential:
    """A factory without parameters: the output has three classes."""
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 3))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.middle, self.last = nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4)
        self.head = nn.Linear(4, 3)
        self.last.weight = self.first.weight

    def forward(self, x):
        return self.head(self.last(self.middle(self.first(x))))


class Frozen(Tied):
    """The weights that it uses twice are not trained."""

    def __init__(self):
        super().__init__()
        self.first.weight.requires_grad_(False)


class Decides(nn.Module):
    """Its own code depends on the values of a tensor."""

    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x


class SelectsByValue(nn.Module):
    """The size of its output depends on values."""

    def forward(self, x):
        return x[x[:, 0] > 0]


class Loops(nn.Module):
    """A submodule repeats its layer until the values are small."""

    def __init__(self):
        super().__init__()
        self.first, self.loop = nn.Linear(4, 3), Loop()

    def forward(self, x):
        return self.loop(self.first(x))


class Loop(nn.Module):
    def forward(self, x):
        while x.norm().item() > 1:
            x = x / 2
        return x


class DecidesInside(nn.Module):
    """A submodule that cannot be traced is one operation."""

    def __init__(self):
        super().__init__()
        self.first, self.decides, self.last = nn.Linear(4, 4), Exact(), nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.decides(self.first(x)))


class Exact(nn.Module):
    """It accepts neither proxies nor the tensors of torch.export."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x):
        if type(x) is not Tensor:
            raise TypeError("expected a tensor")
        return self.inner(x)


class Strict(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x):
        if not isinstance(x, Tensor):
            raise TypeError("expected a tensor")
        return self.inner(x)


class TwoInputs(nn.Module):
    def forward(self, image, mask):
        return image * mask


class Pair(nn.Module):
    def forward(self, x):
        return x, x


shared = nn.Linear(4, 3)


def number(classes: int) -> int:
    return classes
