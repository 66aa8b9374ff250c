"""The kinds of small faults: each says, for one node of a syntax tree, which edits would be such a fault."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from benchmarks.mutation.source import Edit, Source, is_log, name_of

COMPARISONS = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
}
ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
}
OPPOSITES = (
    *(("min", "max"), ("minimum", "maximum"), ("amin", "amax"), ("clamp_min", "clamp_max"), ("floor", "ceil")),
    *(("any", "all"), ("sum", "mean"), ("sin", "cos"), ("argmin", "argmax")),
)
OPPOSITE = {name: other for pair in OPPOSITES for name, other in (pair, pair[::-1])}
BUILTIN = {"min", "max", "any", "all"}
AXES = (
    *(("y", "x"), ("ys", "xs"), ("row", "col"), ("rows", "cols"), ("height", "width"), ("top", "left")),
    *(("bottom", "right"), ("tops", "lefts"), ("dy", "dx"), ("vertical", "horizontal"), ("down", "across")),
)
OTHER_AXIS = {name: other for pair in AXES for name, other in (pair, pair[::-1])}
DTYPES = {
    "float32": "float16",
    "float64": "float32",
    "float16": "bfloat16",
    "bfloat16": "float16",
    "uint8": "int8",
    "uint16": "uint8",
}
CASTS = {"float", "double", "contiguous_float"}
# calls whose two arguments may be changed about, or that fail at once when they are
SYMMETRIC = {
    *("min", "max", "isinstance", "issubclass", "getattr", "setattr", "hasattr", "gcd", "equal", "cast", "isclose"),
    *("allclose", "maximum", "minimum", "TypeVar", "zip", "array_equal", "field"),
}
KEPT_DECORATORS = {
    *("dataclass", "property", "staticmethod", "classmethod", "overload", "abstractmethod", "contextmanager"),
    *("cache", "lru_cache", "cached_property", "runtime_checkable", "no_grad", "inference_mode", "wraps", "final"),
}
"""without these a module does not work at all, or only more slowly"""
SMALLEST_FLOAT = 1e-4
"""below it a number only guards a division"""
OUTPUT = {
    "print",
    "announce",
    "sleep",
    "echo",
    "close",
    "shutdown",
    "set_num_threads",
    "simplefilter",
    "filterwarnings",
}
"""calls for people and for the machine: dropping them changes no result"""


def comparison(node: ast.AST, source: Source) -> Iterator[Edit]:
    if not isinstance(node, ast.Compare):
        return
    operands = [node.left, *node.comparators]
    for left, operator, right in zip(operands, node.ops, operands[1:], strict=False):
        if type(operator) in COMPARISONS:
            yield from source.between(left, right, *COMPARISONS[type(operator)])


def arithmetic(node: ast.AST, source: Source) -> Iterator[Edit]:
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC and not _is_text(node.left, node.right):
        yield from source.between(node.left, node.right, *ARITHMETIC[type(node.op)])
    if isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC and not _is_text(node.value):
        yield from source.between(node.target, node.value, *ARITHMETIC[type(node.op)])
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        yield source.replace(node, source.text(node.operand))


def _is_text(*nodes: ast.AST) -> bool:
    """Text and tables are joined by the same operators as numbers; another one only fails."""
    return any(
        isinstance(node, ast.JoinedStr | ast.Dict | ast.List | ast.Tuple | ast.Set)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))
        for node in nodes
    )


def rounding(node: ast.AST, source: Source) -> Iterator[Edit]:
    """``-(-a // b)``, which rounds up, made ``a // b``."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.BinOp):
        inner = node.operand
        if isinstance(inner.op, ast.FloorDiv) and isinstance(inner.left, ast.UnaryOp):
            yield source.replace(node, f"({source.text(inner.left.operand)} // {source.text(inner.right)})")


def connective(node: ast.AST, source: Source) -> Iterator[Edit]:
    if isinstance(node, ast.BoolOp):
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from source.between(left, right, old, new)


def condition(node: ast.AST, source: Source) -> Iterator[Edit]:
    """``not`` removed where it stands, added where none does."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        start = source.span(node)[0]
        yield Edit(start, start + 3, "")
    tests = [node.test] if isinstance(node, ast.If | ast.While | ast.IfExp) else []
    tests += node.ifs if isinstance(node, ast.comprehension) else []
    for test in tests:
        if not isinstance(test, ast.UnaryOp | ast.Compare):
            yield source.replace(test, f"not ({source.text(test)})")


def guard(node: ast.AST, source: Source) -> Iterator[Edit]:
    """A branch that leaves early is never taken."""
    if (
        isinstance(node, ast.If)
        and not node.orelse
        and isinstance(node.body[-1], ast.Return | ast.Continue | ast.Raise)
    ):
        yield source.replace(node.test, "False")


def integer(node: ast.AST, source: Source) -> Iterator[Edit]:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield source.replace(node, str(node.value + 1))
        if node.value > 1:
            yield source.replace(node, str(node.value - 1))


def number(node: ast.AST, source: Source) -> Iterator[Edit]:
    if isinstance(node, ast.Constant) and type(node.value) is float and not 0 < abs(node.value) < SMALLEST_FLOAT:
        yield source.replace(node, repr(round(node.value * 1.1, 12) or 0.1))


def truth(node: ast.AST, source: Source) -> Iterator[Edit]:
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        yield source.replace(node, str(not node.value))


def swapped(node: ast.AST, source: Source) -> Iterator[Edit]:
    """The two arguments of a call changed about."""
    if not isinstance(node, ast.Call) or len(node.args) != 2 or node.keywords or name_of(node) in SYMMETRIC:
        return
    first, second = node.args
    if not any(isinstance(one, ast.Starred) for one in node.args) and source.text(first) != source.text(second):
        yield _exchange(source, first, second)


def _exchange(source: Source, first: ast.AST, second: ast.AST) -> Edit:
    (start, middle), (resumed, end) = source.span(first), source.span(second)
    gap = source.data[middle:resumed].decode()
    return Edit(start, end, source.text(second) + gap + source.text(first))


def other_axis(name: str) -> str | None:
    """``tile_height`` for ``tile_width``; None where a name says no axis, or both."""
    words = name.split("_")
    turned = [OTHER_AXIS.get(word, word) for word in words]
    return "_".join(turned) if sum(a != b for a, b in zip(words, turned, strict=True)) == 1 else None


def axes(node: ast.AST, source: Source) -> Iterator[Edit]:
    """y taken for x: in one name, in a pair, or in two keywords."""
    if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
        name = node.attr if isinstance(node, ast.Attribute) else node.id
        other = other_axis(name)
        if other and re.search(rf"\b{other}\b".encode(), source.data):
            end = source.span(node)[1]
            yield Edit(end - len(name.encode()), end, other)
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) and len(node.elts) == 2:
        first, second = node.elts
        if name_of(first) and other_axis(name_of(first)) == name_of(second):
            yield _exchange(source, first, second)
    if isinstance(node, ast.Call):
        for one, two in zip(node.keywords, node.keywords[1:], strict=False):
            pair = one.arg and two.arg and other_axis(one.arg) == two.arg
            if pair and source.text(one.value) != source.text(two.value):
                yield _exchange(source, one.value, two.value)


def statement(node: ast.AST, source: Source) -> Iterator[Edit]:
    """A call for its effect, or a change of what is remembered, dropped."""
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and not is_log(node.value)
    if is_call and name_of(node.value) not in OUTPUT:
        yield source.replace(node, "pass")
    if isinstance(node, ast.AugAssign | ast.Delete):
        yield source.replace(node, "pass")
    if isinstance(node, ast.Assign) and all(isinstance(one, ast.Attribute | ast.Subscript) for one in node.targets):
        yield source.replace(node, "pass")


def leaving(node: ast.AST, source: Source) -> Iterator[Edit]:
    """A function that returns nothing returns at once; a loop that would go on ends."""
    if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Constant) and node.returns.value is None:
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        if len(body) > 1:  # a single statement is dropped by itself
            start = source.span(body[0])[0]
            yield Edit(start, start, "return\n" + " " * body[0].col_offset)
    if isinstance(node, ast.Continue):
        yield source.replace(node, "break")


def refusal(node: ast.AST, source: Source) -> Iterator[Edit]:
    if isinstance(node, ast.Raise):
        yield source.replace(node, "pass")


def opposite(node: ast.AST, source: Source) -> Iterator[Edit]:
    """min for max, floor for ceil, any for all."""
    known = BUILTIN if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else set(OPPOSITE)
    if isinstance(node, ast.Call) and name_of(node) in known:
        end = source.span(node.func)[1]
        yield Edit(end - len(name_of(node)), end, OPPOSITE[name_of(node)])


def precision(node: ast.AST, source: Source) -> Iterator[Edit]:
    """``.float()``, ``.to(torch.float32)`` and their like dropped; another dtype."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        is_cast = node.func.attr in CASTS and not node.args and not node.keywords
        is_to = node.func.attr in ("to", "astype", "type") and any(name_of(one) in DTYPES for one in node.args)
        if is_cast or is_to:
            yield source.replace(node, source.text(node.func.value))
    if isinstance(node, ast.Attribute) and node.attr in DTYPES and name_of(node.value) in ("torch", "np", "numpy"):
        end = source.span(node)[1]
        yield Edit(end - len(node.attr), end, DTYPES[node.attr])


def wrapping(node: ast.AST, source: Source) -> Iterator[Edit]:
    """A ``with`` that binds no name, or a decorator, removed."""
    if isinstance(node, ast.With) and len(node.items) == 1 and node.items[0].optional_vars is None:
        yield source.replace(node.items[0].context_expr, '__import__("contextlib").nullcontext()')
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        for decorator in node.decorator_list:
            if name_of(decorator) not in KEPT_DECORATORS and name_of(decorator) != "setter":
                start, end = source.span(decorator)
                yield Edit(start - 1, end, "")


KINDS: dict[str, Callable[[ast.AST, Source], Iterator[Edit]]] = {
    one.__name__: one
    for one in (
        *(comparison, arithmetic, rounding, connective, condition, guard, integer, number, truth, swapped, axes),
        *(statement, leaving, refusal, opposite, precision, wrapping),
    )
}
