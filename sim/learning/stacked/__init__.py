"""The `stacked` executor: chains of equal shape train side by side, through `torch.func`."""
