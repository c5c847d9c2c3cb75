"""``tinynet inspect``: pictures of what is inside a network, and of what can be done to an image."""

from tinynet.commands.arguments import add_command, add_device, not_negative, positive, shape

__all__ = ["add_inspect"]


def add_inspect(commands):
    """Adds ``inspect`` with its commands to those of the command line."""
    description = "look inside a network, and at what filters and augmentations make of an image"
    parser = commands.add_parser(
        "inspect", help=description, description=f"{description[0].upper()}{description[1:]}."
    )
    inside = parser.add_subparsers(title="commands", metavar="WHAT", required=True)
    for add in (
        _add_outputs,
        _add_weights,
        _add_patches,
        _add_receptive_fields,
        _add_graph,
        _add_windows,
        _add_filters,
        _add_augmentations,
    ):
        add(inside)


def _looking(name):
    """A command that is imported when it is called for, so that ``--help`` is quick."""

    def command(options):
        from tinynet.commands import looking

        return getattr(looking, name)(options)

    return command


def _add_outputs(inside):
    parser = add_command(inside, "outputs", _looking("outputs"), "draw what layers make of an image")
    parser.add_argument("image", metavar="IMAGE", help="an image file")
    parser.add_argument(
        "--layer",
        action="append",
        help="the name of a layer, see: tinynet summary; may be repeated (default: some convolutions)",
    )
    parser.add_argument("--channels", type=positive, default=64, help="how many of each layer (default: 64)")
    _add_out(parser, "outputs.png", "; with the ending .npz the numbers are written")
    _add_trained(parser)


def _add_weights(inside):
    parser = add_command(inside, "weights", _looking("weights"), "draw the weights of a layer")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--layer", help="the name of a layer (default: the first one with weights)")
    which.add_argument(
        "--product",
        action="store_true",
        help="the product of all dense weights instead: what the network sees, were it linear",
    )
    parser.add_argument("--units", type=positive, default=64, help="how many at most (default: 64)")
    _add_out(parser, "weights.png")
    _add_trained(parser)


def _add_patches(inside):
    description = "draw the parts of images that excite the units of a layer most"
    parser = add_command(inside, "patches", _looking("patches"), description)
    parser.add_argument(
        "images", metavar="IMAGE", nargs="*", help="image files (default: the test images of the run)"
    )
    parser.add_argument("--layer", required=True, help="the name of a layer, see: tinynet summary")
    parser.add_argument(
        "--units", type=_numbers, default=tuple(range(6)), metavar="N,N,…", help="default: 0,1,2,3,4,5"
    )
    parser.add_argument("--count", type=positive, default=9, help="how many for each unit (default: 9)")
    _add_out(parser, "patches.png")
    _add_trained(parser)


def _add_receptive_fields(inside):
    description = "print which pixels the units of each layer see"
    parser = add_command(inside, "receptive-fields", _looking("receptive_fields"), description)
    _add_untrained(parser)


def _add_graph(inside):
    parser = add_command(inside, "graph", _looking("graph"), "draw a model as a graph of its layers")
    parser.add_argument("--depth", type=positive, help="levels of modules to tell apart (default: all)")
    _add_out(parser, "graph.png", "; with the ending .dot Graphviz's language is written")
    _add_untrained(parser)


def _add_windows(inside):
    parser = add_command(inside, "windows", _looking("windows"), "slide a classifier over a large image")
    parser.add_argument("image", metavar="IMAGE", help="an image file")
    parser.add_argument(
        "--size", type=positive, help="pixels along the shorter side (default: twice those of the network)"
    )
    parser.add_argument("--top", type=positive, default=3, help="how many classes to draw (default: 3)")
    _add_out(parser, "windows.png")
    _add_trained(parser)


def _add_filters(inside):
    parser = add_command(
        inside, "filters", _looking("filters"), "draw the edges that filters made by hand find"
    )
    parser.add_argument("image", metavar="IMAGE", help="an image file")
    _add_out(parser, "filters.png")


def _add_augmentations(inside):
    parser = add_command(
        inside, "augmentations", _looking("augmentations"), "draw what augmentations make of an image"
    )
    parser.add_argument("image", metavar="IMAGE", help="an image file")
    parser.add_argument("--samples", type=positive, default=6, help="how many of each (default: 6)")
    parser.add_argument("--seed", type=not_negative, default=0, help="of what is random (default: 0)")
    _add_out(parser, "augmentations.png")


def _add_out(parser, default, more=""):
    parser.add_argument(
        "--out", metavar="FILE", default=default, help=f"the PNG file to write (default: {default}){more}"
    )


def _add_trained(parser):
    """A network with weights: that of a run, or from a file."""
    parser.add_argument("--run", help="the folder of a run, or its name in runs/ (default: lenet5)")
    parser.add_argument("--model", help="instead of a run: the name of a model, with --weights")
    parser.add_argument("--weights", metavar="FILE", help="its weights, in any format that predict reads")
    parser.add_argument("--labels", metavar="FILE", help="the names of the classes, one a line")
    add_device(parser)


def _add_untrained(parser):
    """A model whose layers alone matter."""
    parser.add_argument("model", metavar="MODEL", help="the name of a model, for example lenet5")
    parser.add_argument("--input", type=shape, metavar="HxWxC", help="the shape of an image, as in 28x28x1")
    parser.add_argument("--classes", type=positive, help="how many classes the model tells apart")
    add_device(parser)


def _numbers(text):
    """Integers with commas between them."""
    return tuple(not_negative(part) for part in text.split(","))
