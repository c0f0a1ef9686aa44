"""Record the numbers of all shipped scenarios and studies, or of those named: `make golden`.

Prints what differs from the numbers recorded before, so that one sees whether it is what was meant.
"""

import os
import sys

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # as in the tests: bits do not depend on the cores

import json  # noqa: E402

import torch  # noqa: E402
from golden_differences import compare  # noqa: E402
from golden_numbers import numbers, recorded_file, scenario_names, study_names  # noqa: E402


def record(wanted: list[str]) -> None:
    """Write the files of the scenarios and studies named, or of all."""
    torch.set_num_threads(1)
    every = [("scenario", name) for name in scenario_names()]
    every += [("study", name) for name in study_names()]
    unknown = sorted(set(wanted) - {name for _, name in every})
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)} (there are {', '.join(n for _, n in every)})")
    for kind, name in every:
        if wanted and name not in wanted:
            continue
        now, file = numbers(kind, name), recorded_file(kind, name)
        if not file.exists():
            print(f"{kind} {name}: new")
        else:
            found = compare(json.loads(file.read_text(encoding="utf-8")), now)
            changed = found.text(f"{kind} {name}") if found.differences else f"{kind} {name}: same"
            print(changed)
        file.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record(sys.argv[1:])
