"""Arithmetic written as text, evaluated without Python's ``eval``: numbers, names, operators and a few functions."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import InputInvalid, shortened

MAX_EXPONENT = 4000
MAX_BITS = 20_000
Names = Mapping[str, Any]


def evaluate(expression: str, names: Names) -> int | float | bool:
    """The expression's value. Raises ``InputInvalid`` for anything but finite arithmetic over ``names``."""
    try:
        value = _value(ast.parse(expression.strip(), mode="eval").body, names)
        if isinstance(value, int | float) and math.isfinite(value):
            return value
        reason = f"it gives {value!r}, not a finite number"
    except SyntaxError:
        reason = "it is no expression"
    except (RecursionError, MemoryError):
        reason = "it is nested too deeply"
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        reason = str(error)
    raise InputInvalid(f"'{shortened(expression)}' cannot be computed: {shortened(reason)}", input="expression")


def _value(part: Any, names: Names) -> Any:
    if type(part) not in _PARTS:
        raise ValueError(f"'{ast.unparse(part)}' is not allowed here")
    return _PARTS[type(part)](part, names)


def _number(part: ast.expr, names: Names) -> Any:
    value = _value(part, names)
    if not isinstance(value, int | float):
        raise TypeError(f"'{ast.unparse(part)}' is no number")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ValueError("a number grows too large")
    return value


def _constant(part: ast.Constant, names: Names) -> Any:
    if not isinstance(part.value, int | float):
        raise TypeError(f"{part.value!r} is no number")
    return part.value


def _name(part: ast.Name, names: Names) -> Any:
    if part.id not in names:
        raise ValueError(f"'{part.id}' is not connected")
    return names[part.id]


def _binary(part: ast.BinOp, names: Names) -> Any:
    return _known(_BINARY, part.op)(_number(part.left, names), _number(part.right, names))


def _unary(part: ast.UnaryOp, names: Names) -> Any:
    return _UNARY[type(part.op)](_number(part.operand, names))


def _logical(part: ast.BoolOp, names: Names) -> Any:
    """``or`` stops at the first true part and ``and`` at the first false one; the part is the value, as in Python."""
    value: Any = False
    for each in part.values:
        value = _number(each, names)
        if bool(value) is isinstance(part.op, ast.Or):
            break
    return value


def _comparison(part: ast.Compare, names: Names) -> bool:
    numbers = [_number(each, names) for each in (part.left, *part.comparators)]
    return all(_known(_COMPARE, op)(a, b) for op, a, b in zip(part.ops, numbers, numbers[1:], strict=False))


def _conditional(part: ast.IfExp, names: Names) -> Any:
    return _value(part.body if _number(part.test, names) else part.orelse, names)


def _item(part: ast.Subscript, names: Names) -> Any:
    return _value(part.value, names)[int(_number(part.slice, names))]


def _call(part: ast.Call, names: Names) -> Any:
    name = part.func.id if isinstance(part.func, ast.Name) else ""
    if name not in _FUNCTIONS or part.keywords:
        raise ValueError(f"'{ast.unparse(part.func)}' is not among the functions {', '.join(_FUNCTIONS)}")
    return _FUNCTIONS[name](*(_value(argument, names) for argument in part.args))


def _known(table: Mapping[Any, Any], op: Any) -> Callable[..., Any]:
    if type(op) not in table:
        raise ValueError(f"operator {type(op).__name__} is not allowed")
    return table[type(op)]  # type: ignore[no-any-return]


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) > MAX_EXPONENT:
        raise ValueError(f"exponent {exponent} is above {MAX_EXPONENT}")
    if isinstance(base, int) and abs(exponent) * base.bit_length() > MAX_BITS:
        raise ValueError("a number grows too large")
    return base**exponent


def _shifted(value: Any, bits: Any) -> Any:
    if bits > MAX_EXPONENT:
        raise ValueError(f"a shift by {bits} is above {MAX_EXPONENT}")
    return value << bits


def _sum(*values: Any) -> Any:
    return sum(values[0] if len(values) == 1 and isinstance(values[0], list) else values)


_PARTS: Mapping[type[ast.expr], Callable[[Any, Names], Any]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _logical,
    ast.Compare: _comparison,
    ast.IfExp: _conditional,
    ast.Subscript: _item,
    ast.Call: _call,
}
_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: _shifted,
    ast.RShift: operator.rshift,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
    ast.Invert: operator.invert,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "sum": _sum,
    "min": min,
    "max": max,
    "abs": abs,
    "round": round,
    "pow": _power,
    "sqrt": math.sqrt,
    "ceil": math.ceil,
    "floor": math.floor,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "int": int,
    "float": float,
}
