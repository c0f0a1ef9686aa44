"""Changes to a file, each decided by a stream of random numbers: bytes, tokens, and YAML trees."""

import random
import re
from collections.abc import Callable
from typing import Any

import yaml

HOSTILE_TEXTS = (
    "",
    "~",
    "null",
    "[]",
    "{}",
    "[[]]",
    "{x: 1}",
    "[x, 1]",
    "true",
    "0",
    "-1",
    "1.5",
    ".inf",
    "-.inf",
    ".nan",
    "1e400",
    "1e-400",
    "-0.0",
    "0b_",
    "0x",
    "0xFFFFFFFFFFFFFFFFFF",
    "1_000",
    "4294967296",
    "1000000000",
    "9223372036854775808",
    "18446744073709551616",
    "9" * 5000,
    "-" + "9" * 41,
    "1" + "0" * 400 + " B",
    "1e999 B",
    "1e999 Mbit/s",
    "1e999999999 Mbit/s",
    "1e-999 s",
    "1e300 s",
    "1e9 s",
    "1 ns",
    "0 bit/s",
    "1e-300 bit/s",
    "unlimited",
    "10",
    "10 parsec",
    "100 %",
    "2024-02-30",
    "0001-01-01T00:00:00Z",
    "12:30:45",
    "!!binary x",
    "!!python/object:os.system x",
    "!x y",
    "&a b",
    "*a",
    "&a [*a]",
    "<<",
    "a: b: c",
    "- - -",
    "'",
    '"\\x1f"',
    '"\\0"',
    '"\\ud800"',
    "\x1f",
    "\x85",
    "\u2028",
    "\u202e",
    "\ufeff",
    "ü",
    "\U0001f600",
    "[/x]",
    "[bold]x",
    "%s{}%d",
    "../../x",
    "/dev/null",
    "x" * 300,
    "=1+1",
    "a.b.c",
    "*",
    ".*",
    "nowhere:Object",
    "os:system",
    "builtins:eval",
    "[" * 100,
    "{a: " * 100,
    "[" + ", ".join("x" * 3 for _ in range(500)) + "]",
)
HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    {"x": 1},
    {"x": {"y": {"z": [1, {"w": None}]}}},
    [None],
    [1, "x", None, {}],
    0,
    -1,
    1,
    2,
    1.5,
    10**9,
    2**31,
    2**63,
    2**64,
    10**40,
    -(10**30),
    1e308,
    1e-308,
    float("inf"),
    float("nan"),
    *HOSTILE_TEXTS,
)
PLAUSIBLE: tuple[Any, ...] = (
    1,
    2,
    3,
    7,
    0.5,
    0.01,
    True,
    "1 s",
    "10 ms",
    "1 h",
    "0 s",
    "1 kbit/s",
    "10 Mbit/s",
    "1 Gbit/s",
    "100 MFLOP/s",
    "10 MB",
    "1 GiB",
    "3 W",
    "vgg5",
    "lenet",
    "resnet12",
    "mobilenetv2",
    "digits",
    "cifar10",
    "mnist",
    "raspberry-pi-4b",
    "raspberry-pi-3b-plus",
    "server-8-core",
    "4g",
    "unlimited",
    "sgd",
    "adam",
    "fifo",
    "processor_sharing",
    "tcp",
    "ideal",
    "drop",
    "resume",
    "cosine",
    "hops",
    "all",
    "spread",
    "kept",
    "iid",
    {"dirichlet": 0.3},
    {"lognormal": 0.5},
    {"tcp": {"loss_model": "mathis", "window": "64 KiB"}},
    {"markov": {"good": "10 Mbit/s", "bad": "0 bit/s", "good_for": "5 s", "bad_for": "1 s"}},
    {
        "steps": [{"at": "0 s", "rate": "1 Mbit/s"}, {"at": "9 s", "rate": "0 bit/s"}],
        "repeat": "10 s",
    },
    {"ecofed": {"period": 3, "init": "random"}},
    {"fedgkt": {"exchange_weights": False}},
)
HOSTILE_BYTES = (
    b"\x00",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\r",
    b"\r\n",
    b"\n",
    b"\t",
    b"\x1f",
    b"\x1b[31m",
    b"\x0b",
    b"\x0c",
    b",",
    b":",
    b": ",
    b"- ",
    b"[",
    b"{",
    b"}",
    b'"',
    b"#",
    b"&a",
    b"*a",
    b"---\n",
    b"e",
    b"-",
    b"9",
)
_TOKEN = re.compile(r"\s+|[\w.+%/-]+|.", re.DOTALL)

Change = Callable[[random.Random, bytes, bytes], bytes]


def mutate(stream: random.Random, content: bytes, other: bytes, *, tree: bool) -> bytes:
    """`content` changed once to three times; parts may come from `other`; `tree` allows YAML trees."""
    ways: list[Change] = [change_bytes, change_tokens, change_tokens]
    if tree:
        ways += [change_tree] * 4
    for _ in range(stream.choice((1, 1, 1, 1, 1, 2, 2, 3))):
        content = stream.choice(ways)(stream, content, other)
    if stream.random() < 0.03:
        content = stream.choice((_as_utf16, _with_mark, _with_returns, _as_latin, _cut_off))(
            content
        )
    return content


def change_bytes(stream: random.Random, content: bytes, other: bytes) -> bytes:
    """A byte flipped, a piece removed, doubled, moved, or put in from elsewhere."""
    at = stream.randrange(len(content) + 1)
    upto = min(len(content), at + stream.choice((1, 1, 2, 5, 20, 200)))
    piece = content[at:upto]
    way = stream.randrange(6)
    if way == 0 and piece:
        flipped = piece[0] ^ (1 << stream.randrange(8))
        return content[:at] + bytes([flipped]) + content[at + 1 :]
    if way == 1:
        return content[:at] + content[upto:]
    if way == 2:
        return content[:upto] + piece * stream.choice((1, 1, 2, 50)) + content[upto:]
    if way == 3:
        return content[:at] + stream.choice(HOSTILE_BYTES) + content[at:]
    if way == 4:
        return content[:at] + stream.choice(HOSTILE_BYTES) + content[upto:]
    start = stream.randrange(len(other) + 1)
    return content[:at] + other[start : start + stream.choice((5, 50, 500))] + content[at:]


def change_tokens(stream: random.Random, content: bytes, other: bytes) -> bytes:
    """A word or number replaced, swapped with another, or a line doubled, removed or indented."""
    text = content.decode("utf-8", "surrogateescape")
    way = stream.randrange(5)
    if way == 4:
        lines = text.split("\n")
        at = stream.randrange(len(lines))
        lines[at : at + 1] = stream.choice(
            (
                [],
                [lines[at], lines[at]],
                [" " + lines[at]],
                ["\t" + lines[at]],
                [lines[at].lstrip()],
                [lines[at], stream.choice(other.decode("utf-8", "replace").split("\n"))],
            )
        )
        text = "\n".join(lines)
    else:
        tokens = _TOKEN.findall(text) or [""]
        words = [index for index, token in enumerate(tokens) if not token.isspace()] or [0]
        at = stream.choice(words)
        if way == 0:
            with_ = stream.choice(words)
            tokens[at], tokens[with_] = tokens[with_], tokens[at]
        elif way == 1:
            tokens[at] = stream.choice(_TOKEN.findall(other.decode("utf-8", "replace")) or [""])
        else:
            tokens[at] = stream.choice(HOSTILE_TEXTS)
        text = "".join(tokens)
    return text.encode("utf-8", "surrogateescape" if _escaped(text) else "surrogatepass")


def _escaped(text: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in text)


def change_tree(stream: random.Random, content: bytes, other: bytes) -> bytes:
    """A value of a YAML text replaced, removed, doubled or moved; bytes, where it is none."""
    try:
        data = yaml.safe_load(content.decode("utf-8"))
        given = yaml.safe_load(other.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, yaml.YAMLError, RecursionError, AttributeError):
        return change_bytes(stream, content, other)
    places = _places(data)
    if not places:
        return change_bytes(stream, content, other)
    holder, key = stream.choice(places)
    way = stream.randrange(10)
    if way in (0, 1, 2):
        holder[key] = stream.choice(HOSTILE_VALUES)
    elif way in (7, 8, 9):
        holder[key] = stream.choice(PLAUSIBLE)
    elif way == 3:
        del holder[key]
    elif way == 4:
        donors = _places(given)
        if donors:
            giver, name = stream.choice(donors)
            holder[key] = giver[name]
    elif way == 5:
        value = holder[key]
        if isinstance(holder, list):
            holder.insert(key, value)
        else:
            holder[stream.choice(("x", "name", None, 1, "~", f"{key}s", "label"))] = value
    else:
        giver, name = stream.choice(places)
        moved, kept = giver[name], holder[key]
        holder[key] = moved
        if not _inside(kept, giver) and holder is not giver:
            giver[name] = kept
    flow = stream.choice((None, False, True))
    try:
        written = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True, sort_keys=False)
        return written.encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, RecursionError, ValueError, TypeError):
        return change_bytes(stream, content, other)


def _places(data: Any) -> list[tuple[Any, Any]]:
    """Every holder and key in a tree, each object once (a tree may hold itself by now)."""
    found: list[tuple[Any, Any]] = []
    seen: set[int] = set()
    rest = [data]
    while rest:
        node = rest.pop()
        if not isinstance(node, dict | list) or id(node) in seen:
            continue
        seen.add(id(node))
        keys = list(node) if isinstance(node, dict) else range(len(node))
        found += [(node, key) for key in keys]
        rest += [node[key] for key in keys]
    return found


def _inside(tree: Any, sought: Any) -> bool:
    return tree is sought or any(holder is sought for holder, _ in _places(tree))


def _as_utf16(content: bytes) -> bytes:
    return content.decode("utf-8", "replace").encode("utf-16")


def _with_mark(content: bytes) -> bytes:
    return b"\xef\xbb\xbf" + content


def _with_returns(content: bytes) -> bytes:
    return content.replace(b"\n", b"\r\n")


def _as_latin(content: bytes) -> bytes:
    return content.decode("utf-8", "replace").encode("latin-1", "replace")


def _cut_off(content: bytes) -> bytes:
    return content[: len(content) // 2]
