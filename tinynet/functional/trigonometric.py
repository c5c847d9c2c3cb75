"""Trigonometric and hyperbolic functions and their inverses, elementwise, in radians."""

from tinynet.autograd import Function
from tinynet.functional.arithmetic import Broadcasting, operands, sum_to
from tinynet.functional.conversion import floating

__all__ = [
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
]


class Sin(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return self.xp.sin(x)

    def backward(self, gy):
        return gy * cos(self.inputs[0])


def sin(x):
    """The sine. Any shape."""
    return Sin()(floating(x))


class Cos(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return self.xp.cos(x)

    def backward(self, gy):
        return -gy * sin(self.inputs[0])


def cos(x):
    """The cosine. Any shape."""
    return Cos()(floating(x))


class Tan(Function):
    __slots__ = ()
    reads_output = True

    def forward(self, x):
        return self.xp.tan(x)

    def backward(self, gy):
        y = self.output
        return gy * (y * y + 1)


def tan(x):
    """The tangent. Any shape."""
    return Tan()(floating(x))


class Arcsin(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return self.xp.arcsin(x)

    def backward(self, gy):
        x = self.inputs[0]
        return gy / (1 - x * x).sqrt()


def arcsin(x):
    """The inverse sine of x in [−1, 1]. Any shape."""
    return Arcsin()(floating(x))


class Arccos(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return self.xp.arccos(x)

    def backward(self, gy):
        x = self.inputs[0]
        return -gy / (1 - x * x).sqrt()


def arccos(x):
    """The inverse cosine of x in [−1, 1]. Any shape."""
    return Arccos()(floating(x))


class Arctan(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return self.xp.arctan(x)

    def backward(self, gy):
        x = self.inputs[0]
        return gy / (x * x + 1)


def arctan(x):
    """The inverse tangent. Any shape."""
    return Arctan()(floating(x))


class Arctan2(Broadcasting):
    __slots__ = ("shapes",)
    reads = ((0, 1), (0, 1))

    def forward(self, y, x):
        self.shapes = y.shape, x.shape
        return self.xp.arctan2(y, x)

    def backward(self, gy):
        y, x = self.inputs
        share = gy / (x * x + y * y)
        return (
            sum_to(share * x, self.shapes[0]) if self.needs(0) else None,
            sum_to(-share * y, self.shapes[1]) if self.needs(1) else None,
        )


def arctan2(y, x):
    """The angle, from −π to π, of the point (x, y), with broadcasting."""
    y, x = operands(y, x)
    return Arctan2()(floating(y), floating(x))


class Sinh(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return self.xp.sinh(x)

    def backward(self, gy):
        return gy * cosh(self.inputs[0])


def sinh(x):
    """The hyperbolic sine. Any shape."""
    return Sinh()(floating(x))


class Cosh(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return self.xp.cosh(x)

    def backward(self, gy):
        return gy * sinh(self.inputs[0])


def cosh(x):
    """The hyperbolic cosine. Any shape."""
    return Cosh()(floating(x))


class Arcsinh(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return self.xp.arcsinh(x)

    def backward(self, gy):
        x = self.inputs[0]
        return gy / (x * x + 1).sqrt()


def arcsinh(x):
    """The inverse hyperbolic sine. Any shape."""
    return Arcsinh()(floating(x))


class Arccosh(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return self.xp.arccosh(x)

    def backward(self, gy):
        x = self.inputs[0]
        return gy / (x * x - 1).sqrt()


def arccosh(x):
    """The inverse hyperbolic cosine of x ≥ 1. Any shape."""
    return Arccosh()(floating(x))


class Arctanh(Function):
    __slots__ = ()
    reads = ((0,),)

    def forward(self, x):
        return self.xp.arctanh(x)

    def backward(self, gy):
        x = self.inputs[0]
        return gy / (1 - x * x)


def arctanh(x):
    """The inverse hyperbolic tangent of x in (−1, 1). Any shape."""
    return Arctanh()(floating(x))
