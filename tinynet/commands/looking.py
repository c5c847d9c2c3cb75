"""What the commands of ``tinynet inspect`` do: each writes a file or prints a table, and returns 0."""

from pathlib import Path

import numpy as np

from tinynet import functional as F
from tinynet import inspection, nn, no_grad, tensor
from tinynet.commands.subjects import read_photograph, structure, subject_of
from tinynet.errors import ArgumentError
from tinynet.inspection.layers import layers_by_name

__all__ = [
    "augmentations",
    "filters",
    "graph",
    "outputs",
    "patches",
    "receptive_fields",
    "weights",
    "windows",
]

SUCCESS = 0
LAYERS_SHOWN = 6
LONGEST_SIDE = 640  # of photographs to be filtered, in pixels
SAMPLE_SIZE = 160  # of photographs to be augmented


# Inside a network


def outputs(options):
    """What layers make of an image: a picture, or their numbers in an npz file."""
    subject = subject_of(options)
    image = subject.prepare(subject.read(options.image))
    names = options.layer or _convolutions(subject)
    if Path(options.out).suffix == ".npz":
        found = inspection.activations(subject.model, image[np.newaxis], names)
        np.savez(_in_its_folder(options.out), **{name: output[0] for name, output in found.items()})
    else:
        inspection.feature_maps_picture(
            options.out, subject.model, image, names, options.channels, columns=min(3, len(names))
        )
    return _written(options.out, f"outputs of {', '.join(names)}")


def _convolutions(subject):
    """The names of some convolutions, spread over the depth of the network."""
    names = [name for name, module in subject.model.named_modules() if isinstance(module, nn.Conv2d)]
    if not names:
        raise ArgumentError(f"inspect: {subject.name} has no convolutions; name its layers with --layer")
    places = np.linspace(0, len(names) - 1, min(LAYERS_SHOWN, len(names)))
    return [names[place] for place in np.unique(places.round().astype(int))]


def weights(options):
    """The weights of a layer as images, or the product of all dense ones."""
    subject = subject_of(options)
    if options.product:
        names = subject.name_classes(_count_of_classes(subject))
        inspection.dense_product_picture(options.out, subject.model, subject.input_shape, names)
        return _written(options.out, "the product of all dense weights")
    drawable = {
        name: module
        for name, module in subject.model.named_modules()
        if isinstance(module, nn.Conv2d) or (isinstance(module, nn.Linear) and _sees_image(subject, module))
    }
    name = options.layer or next(iter(drawable), "all layers")
    if options.layer is not None:
        layers_by_name(subject.model, [name])
    if name not in drawable:
        raise ArgumentError(
            f"inspect: the weights of {name} are no images, as those of convolutions are and those of dense "
            f"layers that see {subject.name}'s images"
        )
    inspection.weights_picture(options.out, drawable[name].weight, subject.input_shape, options.units)
    return _written(options.out, f"weights of {name}")


def _sees_image(subject, dense):
    """Whether the inputs of a dense layer are as many as the pixels of an image."""
    return dense.in_features == np.prod(subject.input_shape)


def _count_of_classes(subject):
    last = [module for module in subject.model.modules() if isinstance(module, nn.Linear)]
    return last[-1].out_features if last else 0


def patches(options):
    """The parts of images that excite some units of a layer most."""
    subject = subject_of(options)
    images = subject.images(options.images)
    found = inspection.exciting_patches(
        subject.model,
        subject.prepare(images),
        options.layer,
        options.units,
        options.count,
        shown=images,
    )
    inspection.exciting_patches_picture(options.out, found)
    return _written(options.out, f"what excites units of {options.layer} most, out of {len(images):,} images")


def receptive_fields(options):
    """A table of what the units of each layer see."""
    fields = inspection.receptive_fields(*_structure(options))
    rows = [("Layer", "Size", "Stride", "First pixel")]
    for name, field in fields.items():
        if name:
            rows.append((name, _times(field.size), _times(field.stride), ", ".join(map(str, field.offset))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    return SUCCESS


def _times(sizes):
    return " × ".join(map(str, sizes))


def graph(options):
    """The layers of a model as boxes and arrows, in a picture or for Graphviz."""
    found = inspection.network_graph(*_structure(options), options.depth)
    if Path(options.out).suffix == ".dot":
        _in_its_folder(options.out).write_text(found.dot(), encoding="utf-8")
    else:
        inspection.network_picture(options.out, found)
    return _written(options.out, f"{len(found.boxes)} boxes, {len(found.arrows)} arrows")


def _structure(options):
    """A model whose weights are all 0, which is enough to follow its layers, and its input shape."""
    model, input_shape = structure(options.model, options.input, options.classes)
    for parameter in model.parameters():
        parameter.data[...] = 0
    return model, input_shape


def windows(options):
    """Where a classifier sees what, when it slides over an image larger than those it was made for."""
    subject = subject_of(options)
    window = subject.input_shape[:2]
    image = subject.read_large(options.image, options.size or 2 * max(window))
    sliding = nn.fully_convolutional(subject.model, subject.input_shape)
    with no_grad():
        images = tensor(subject.prepare(image[np.newaxis]), device=next(sliding.parameters()).device)
        probabilities = F.softmax(sliding(images)).numpy()[0]
    stride = inspection.receptive_field(sliding, image.shape, "").stride
    names = subject.name_classes(probabilities.shape[-1])
    inspection.windows_picture(options.out, image, probabilities, window, stride, names, options.top)
    rows, columns, _ = probabilities.shape
    return _written(options.out, f"{rows} × {columns} windows of {window[0]} × {window[1]} pixels")


# To an image


def filters(options):
    """The edges that filters made by hand find in a photograph."""
    inspection.filters_picture(options.out, read_photograph(options.image, longest=LONGEST_SIDE))
    return _written(options.out, "edges by vertical and horizontal filters, Prewitt, Sobel, Scharr")


def augmentations(options):
    """What each augmentation makes of a photograph."""
    image = read_photograph(options.image, shorter_side=SAMPLE_SIZE)
    inspection.augmentation_picture(options.out, image, samples=options.samples, seed=options.seed)
    return _written(options.out, f"{options.samples} results of each augmentation, seed {options.seed}")


def _in_its_folder(path):
    """The path of a file whose folder is there."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _written(path, what):
    print(f"{what}: {path}")
    return SUCCESS
