"""One of the two processes, run in a namespace: reads its job from stdin and prints its times.

A job is {"role", "case", "method", "rounds", "core", "address", "port"}.
"""

import json
import os
import sys

import torch
from cases import Case
from channel import Channel, connect, listen
from training import Device, Server, Sizes

from cutlayer.sim.process.allocator import keep_memory


def main() -> None:
    job = json.load(sys.stdin)
    os.sched_setaffinity(0, {job["core"]})
    keep_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    case = Case(**job["case"])
    sizes = Sizes(case, job["method"])
    down, up = sizes.coming(case, job["method"], job["rounds"])
    if job["role"] == "device":
        channel = Channel(connect(job["address"], job["port"]), down)
        device = Device(case, job["method"], sizes, channel)
        found = {"computed": [device.round(index) for index in range(job["rounds"])]}
    else:
        channel = Channel(listen(job["port"]), up)
        server = Server(case, job["method"], sizes, channel)
        rounds = [server.round(index) for index in range(job["rounds"])]
        found = {
            "seconds": [seconds for seconds, _ in rounds],
            "computed": [computed for _, computed in rounds],
            "losses": server.losses,
        }
    json.dump(found | {"sent": channel.sent, "received": channel.received}, sys.stdout)


if __name__ == "__main__":
    main()
