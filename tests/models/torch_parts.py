"""Pieces in PyTorch that the twins of several architectures are put together from."""


def named(torch, layers):
    """Layers one after the other, under names; ``layers`` is a dictionary."""
    network = torch.nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    return network


def joined(torch, branches):
    """Layers under names that all see the same input, their outputs joined along the channels."""

    class Joined(torch.nn.Module):
        def forward(self, x):
            return torch.cat([branch(x) for branch in self.children()], dim=1)

    module = Joined()
    for name, branch in branches.items():
        module.add_module(name, branch)
    return module


def function(torch, apply):
    """A function as a layer."""

    class Function(torch.nn.Module):
        def forward(self, x):
            return apply(x)

    return Function()


def flatten(torch):
    """(N, C, H, W) → (N, H · W · C), in our order: channels last."""
    return function(torch, lambda x: x.permute(0, 2, 3, 1).flatten(1))


def global_average(torch):
    """(N, C, H, W) → (N, C)."""
    return function(torch, lambda x: x.mean((2, 3)))


def max_pool_of_even_sizes(torch):
    """The maximum of 3 × 3, stride 2, at every second pixel from the first on; sizes must be even."""

    def pool(x):
        x = torch.nn.functional.pad(x, (0, 1, 0, 1), value=-torch.inf)
        return torch.nn.functional.max_pool2d(x, 3, 2)

    return function(torch, pool)
