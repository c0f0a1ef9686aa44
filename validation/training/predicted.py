"""Predict a case with Cutlayer: a scenario with the calibrated profile at both ends."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from cases import BITS, PERIOD, Case

from cutlayer import load_scenario, run

HEADERS = 1448 / 1514  # the payload of a full segment; a token bucket counts whole Ethernet frames
SCENARIO = """
name: two-processes
data: {{dataset: cifar10, partition: {{sizes: {samples}}}, augment: true}}
model: {{name: {model}, cut: {cut}}}
training:
  rounds: {rounds}
  batch_size: {batch_size}
  optimizer: {{name: sgd, lr: 0.01, momentum: 0.9}}
devices: {{here: {{profile: "{profile}"}}}}
topology:
  star:
    server: {{device: here, slots: 1}}
    clients: [{{device: here, link: {{up: {up} bit/s, down: {down} bit/s, delay: 0 ms}}}}]
methods: [{method}]
"""


def rounds(case: Case, method: str, profile: Path) -> dict[str, dict[str, float]]:
    """Return, by type of round, the seconds, the bytes up and down, and the computing at both ends."""
    options = f"{{ecofed: {{period: {PERIOD}, bits: {BITS}, init: random}}}}"
    text = SCENARIO.format(
        samples=case.batches * case.batch_size,
        model=case.model,
        cut=case.cut,
        rounds=PERIOD,
        batch_size=case.batch_size,
        profile=profile.resolve(),
        up=case.up * HEADERS,
        down=case.down * HEADERS,
        method=options if method == "ecofed" else method,
    )
    path = profile.with_name(f"{profile.stem}-scenario.yaml")
    path.write_text(text, encoding="utf-8")
    result = run(load_scenario(str(path)), executor="none", log="events")[0].methods[method]
    path.unlink()
    return {
        kept.round_type: {
            "seconds": kept.record.duration_s,
            "device_s": float(kept.record.device_busy_s.sum()),
            "server_s": kept.record.server_busy_s,
            "up": float(kept.record.wire_up.sum()),
            "down": float(kept.record.wire_down.sum()),
        }
        for kept in result.kept
    }
