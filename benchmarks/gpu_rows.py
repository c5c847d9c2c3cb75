"""What `benchmarks.gpu` compares: training steps and kernels at sizes that keep a GPU busy.

The tasks are those of the other modules; here are the sizes, the precision, and what is expected of us.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

from benchmarks import capsules, convolutions, layers, optimizers, products, sequences
from benchmarks.comparison import OURS, Comparison
from benchmarks.networks import NETWORKS, Network, resnet50, vgg16
from benchmarks.place import TF32, is_on_gpu
from benchmarks.pytorch import memory_formats
from benchmarks.training_steps import checked, step_in_pytorch, step_in_tinynet
from tinynet_kernels.cuda.modes import own_products

__all__ = ["FULL", "TARGETS", "TINY", "Sizes", "comparisons"]

FLOAT_BYTES = 4

STEPS, KERNELS, UPDATES = "training steps", "layers, forward + backward", "optimisers"


@dataclass(frozen=True)
class Sizes:
    """The sizes of all tasks.

    Attributes:
        lenet5, mnist_convolutional, resnet18: the networks with their batches.
        images: how many, of how many pixels in each direction, for VGG-16 and ResNet-50.
        capsules, words: images in a batch of the capsule network, and of the network that reads words.
        ctc: T, N, C, L of each task.
        routing: samples and lower capsules.
        dense: widths of the layers that an optimiser updates.
        recurrent: T, N, C, H.
        feature_maps: (N, H, W, C) of the layers on images.
        logits: rows and classes.
        convolutions, products: as their modules describe them.
    """

    lenet5: Network
    mnist_convolutional: Network
    resnet18: Network
    images: tuple
    capsules: int
    words: int
    ctc: tuple
    routing: tuple
    dense: tuple
    recurrent: tuple
    feature_maps: tuple
    logits: tuple
    convolutions: tuple
    products: tuple


def _network(key, batch_size):
    network = NETWORKS[key]
    return replace(network, name=f"{key.rpartition(',')[0]}, batch {batch_size}", batch_size=batch_size)


def _sizes_of_networks(lenet5, mnist_convolutional, resnet18):
    return {
        "lenet5": _network("LeNet-5, batch 128", lenet5),
        "mnist_convolutional": _network("B3, batch 128", mnist_convolutional),
        "resnet18": _network("ResNet-18 32×32, batch 32", resnet18),
    }


FULL = Sizes(
    **_sizes_of_networks(128, 128, 128),
    images=(64, 224),
    capsules=128,
    words=64,
    ctc=((200, 64, 80, 40), (31, 256, 63, 10)),
    routing=(128, 1152),
    dense=(4096, 8192, 8192),
    recurrent=(100, 64, 512, 512),
    feature_maps=(128, 56, 56, 64),
    logits=(16384, 1000),
    convolutions=(
        convolutions.Shape(64, 56, 64, 64),
        convolutions.Shape(64, 28, 128, 128),
        convolutions.Shape(64, 14, 256, 256),
        convolutions.Shape(64, 7, 512, 512),
        convolutions.Shape(64, 56, 64, 256, window=1, padding=0),
        convolutions.Shape(64, 224, 3, 64, window=7, stride=2, padding=3),
        convolutions.Shape(64, 56, 64, 64, groups=64),
    ),
    products=(
        products.Shape(4096, 4096, 4096),
        products.Shape(1024, 1024, 1024),
        products.Shape(64, 25088, 4096),
        products.Shape(25088, 64, 4096, transpose_a=True),
        products.Shape(128, 400, 120),
    ),
)

TINY = Sizes(
    **_sizes_of_networks(2, 2, 2),
    images=(2, 32),
    capsules=2,
    words=2,
    ctc=((7, 2, 5, 2),),
    routing=(2, 12),
    dense=(5, 8, 3),
    recurrent=(5, 2, 3, 4),
    feature_maps=(2, 6, 6, 64),  # channels as the layers have them
    logits=(6, 5),
    convolutions=(convolutions.Shape(2, 7, 4, 6), convolutions.Shape(2, 7, 4, 4, groups=4)),
    products=(products.Shape(5, 7, 6), products.Shape(5, 7, 6, transpose_a=True)),
)

# How many times faster than PyTorch's fastest way without compilation, by the beginning of a full name.
TARGETS = {
    "LeNet-5": 3.0,
    "CTC": 2.0,
    "routing": 5.0,
    "CapsNet": 1.5,
    "CRNN": 1.0,
    "VGG-16": 0.7,
    "ResNet-50": 0.7,
}
ADAM_TARGET = 0.9  # of the bandwidth


def comparisons(sizes=FULL, compiled=False):
    """All comparisons, those with a target first.

    Args:
        sizes: of the tasks.
        compiled: whether torch.compile takes part in training steps, which costs minutes.
    """
    return [
        _training_step(sizes.lenet5, compiled=compiled),
        *[replace(sequences.ctc(*task), precision="float32") for task in sizes.ctc],
        *_routings(*sizes.routing),
        _comparison(
            f"CapsNet, batch {sizes.capsules}", STEPS, lambda: capsules.capsnet_steps(sizes.capsules)
        ),
        _comparison(f"CRNN, batch {sizes.words}", STEPS, lambda: sequences.crnn_steps(sizes.words)),
        _training_step(vgg16(*sizes.images), TF32, compiled),
        _training_step(resnet50(*sizes.images), TF32, compiled),
        *_updates(sizes.dense),
        _training_step(sizes.mnist_convolutional, TF32, compiled),
        _training_step(sizes.resnet18, TF32, compiled),
        *_convolutions(sizes.convolutions),
        *_products(sizes.products),
        *_layers(sizes),
    ]


def _comparison(name, group, prepare, precision="float32", **details):
    details = {"variant": TF32 if precision == TF32 else "", **details}
    return Comparison(name, group, prepare, precision=precision, **details)


def _training_step(network, precision="float32", compiled=False):
    return _comparison(network.name, STEPS, lambda: _steps(network, compiled), precision)


def _steps(network, compiled):
    """Candidates for a step: ours also as a graph, PyTorch's also compiled, alone and to graphs."""
    steps = {OURS: step_in_tinynet(network)}
    if is_on_gpu():
        steps[f"{OURS}, captured"] = step_in_tinynet(network, captured=True)
    for name, memory_format in memory_formats().items():
        steps[name] = step_in_pytorch(network, memory_format)
    if compiled and memory_formats():
        name, memory_format = list(memory_formats().items())[-1]
        for ending, mode in (("compiled", None), ("compiled to graphs", "reduce-overhead")):
            steps[f"{name}, {ending}"] = step_in_pytorch(network, memory_format, compiled=True, mode=mode)
    return checked(steps)


def _routings(samples, lower):
    name = f"routing, {samples} × {lower} × {capsules.LOWER_SIZE} → {capsules.UPPER} × {capsules.UPPER_SIZE}"
    operations = capsules.routing_operations(samples, lower)
    for through, variant in ((True, "all gradients"), (False, "constant coefficients")):
        yield _comparison(
            name,
            "capsules",
            lambda through=through: capsules.routings(through, samples, lower),
            floating_operations=operations,
            variant=variant,
        )


def _updates(widths):
    count = sum(before * after + after for before, after in pairwise(widths))
    # Adam reads four arrays and writes three; SGD with momentum reads three and writes two.
    for name, options, passes in (("Adam", {}, 7), ("SGD", {"momentum": 0.9}, 5)):
        yield _comparison(
            f"{name}, {count / 1e6:.1f} million parameters",
            UPDATES,
            lambda name=name, options=options: optimizers.candidates(name, options, widths),
            bytes=passes * count * FLOAT_BYTES,
        )


def _convolutions(shapes):
    for shape in shapes:
        for direction, prepare in convolutions.DIRECTIONS.items():
            for precision in (TF32,) if shape.groups > 1 else (TF32, "float32"):
                yield _comparison(
                    shape.name,
                    "convolutions",
                    lambda shape=shape, prepare=prepare: prepare(shape),
                    precision,
                    floating_operations=shape.floating_operations,
                    bytes=shape.bytes,
                    variant=f"{direction}, {precision}",
                )


def _products(shapes):
    """Our own product, as captured steps use it, beside cuBLAS."""
    for shape in shapes:
        for precision in (TF32, "float32"):
            yield _comparison(
                shape.name,
                "matrix products",
                lambda shape=shape: _product(shape),
                precision,
                floating_operations=shape.floating_operations,
                bytes=shape.bytes,
                variant=precision,
            )


def _product(shape):
    functions = products.candidates(shape)
    by_cublas = functions.pop(OURS)

    def own():
        with own_products():
            return by_cublas()

    return {OURS: own, "cuBLAS by way of CuPy": by_cublas, **functions}


def _layers(sizes):
    size = prod(sizes.feature_maps) * FLOAT_BYTES
    for layer in layers.LAYERS:
        if layer.passes:
            resized = replace(layer, input_shape=sizes.feature_maps)
            yield _comparison(
                f"{layer.name}, {'×'.join(map(str, sizes.feature_maps))}",
                KERNELS,
                lambda resized=resized: layers.candidates(resized),
                bytes=int(layer.passes * size),
            )
    rows, classes = sizes.logits
    yield _comparison(
        f"soft-max cross-entropy, {rows}×{classes}",
        KERNELS,
        lambda: layers.cross_entropies(rows, classes),
        bytes=3 * rows * classes * FLOAT_BYTES,
    )
    for kind in ("LSTM", "GRU"):
        yield replace(sequences.recurrent(kind, *sizes.recurrent), precision="float32")
