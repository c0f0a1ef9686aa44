"""Settings that every test shares: one thread, so that bits do not depend on the machine's load."""

import matplotlib
import torch

torch.set_num_threads(1)
matplotlib.use("Agg")
