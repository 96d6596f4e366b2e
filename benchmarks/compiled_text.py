"""What a compiled program does, read from its text: kernels, calls of libraries, loops, operations and bytes.

The text of a compiled program (HLO) lists its instructions after fusion: nearly every one is a kernel to launch.
Loops are counted by their trip counts where the compiler knows them, as often as `read` is told otherwise. A kernel
that takes a slice of an array moves the slice, and one that writes a part of an array in place moves that part.
"""

import dataclasses
import math
import re

__all__ = ["Work", "read"]

_FREE = {"parameter", "constant", "get-tuple-element", "tuple", "bitcast", "after-all", "partition-id", "iota"}
_TRANSCENDENTAL = {"exponential", "log", "cosine", "sine", "tanh", "power", "sqrt", "rsqrt", "divide", "expm1", "log1p"}
_COLLECTIVES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
_SIZES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
_SIZES |= {"c64": 8, "c128": 16}
_TAKING = ("slice", "dynamic-slice", "gather")
_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*)$")
_ARRAY = re.compile(r"\b([a-z]+\d*)\[([\d,]*)\]")
_NAME = re.compile(r"%([\w.\-]+)")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


@dataclasses.dataclass
class Work:
    """What one call does.

    Attributes:
        kernels: instructions that are launched, loops' bodies as often as they run.
        iterations: of all loops together.
        solvers: (times, matrices, size) of each decomposition by a library.
        loops: trip counts of the outermost loops and those in them, 0 where the compiler does not know.
        custom_calls: calls of libraries, decompositions included.
        collectives: instructions by which devices talk.
        kernel_work: (times, operations, bytes) of every kernel.
    """

    kernels: int = 0
    iterations: int = 0
    solvers: list[tuple[int, int, int]] = dataclasses.field(default_factory=list)
    loops: list[int] = dataclasses.field(default_factory=list)
    custom_calls: int = 0
    collectives: int = 0
    kernel_work: list[tuple[int, float, float]] = dataclasses.field(default_factory=list)

    @property
    def operations(self) -> float:
        """Floating-point operations outside of decompositions."""
        return sum(times * operations for times, operations, _ in self.kernel_work)

    @property
    def bytes(self) -> float:
        """Bytes that the kernels read and write."""
        return sum(times * size for times, _, size in self.kernel_work)


@dataclasses.dataclass
class _Instruction:
    kind: str
    result: str
    operands: list[str]
    line: str


def read(text: str, unknown_trips: int = 1) -> Work:
    """The work of one call of a compiled program, from its text.

    Args:
        text: of the compiled program.
        unknown_trips: how often loops run whose end depends on the data.
    """
    computations, entry = _computations(text)
    work = Work()
    _add(computations, entry, 1, work, unknown_trips)
    return work


def _computations(text: str) -> tuple[dict[str, dict[str, _Instruction]], str]:
    computations: dict[str, dict[str, _Instruction]] = {}
    current, entry = "", ""
    for line in text.splitlines():
        if header := _HEADER.match(line):
            current = header[2]
            computations[current] = {}
            entry = current if header[1] else entry
        elif current and (found := _INSTRUCTION.match(line)):
            computations[current][found[1]] = _instruction(found[2], line)
    if not entry:
        raise ValueError("The text of the compiled program has no entry.")
    return computations, entry


def _instruction(rest: str, line: str) -> _Instruction:
    end = _closing(rest, 0) + 1 if rest.startswith("(") else rest.index(" ")
    result, rest = rest[:end], rest[end:].lstrip()
    kind, _, rest = rest.partition("(")
    return _Instruction(kind, result, _NAME.findall(rest[: _closing("(" + rest, 0)]), line)


def _closing(text: str, start: int) -> int:
    depth = 0
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index
    raise ValueError(f"A parenthesis is not closed in {text[:80]!r}.")


def _add(computations: dict, name: str, times: int, work: Work, unknown: int) -> None:
    for instruction in computations[name].values():
        kind = instruction.kind
        if kind in _FREE:
            continue
        if kind.startswith(_COLLECTIVES):
            work.collectives += times
        if kind == "while":
            trips = _TRIPS.search(instruction.line)
            work.loops.append(int(trips[1]) if trips else 0)
            runs = times * (int(trips[1]) if trips else unknown)
            work.iterations += runs
            _add(computations, _called(instruction, "body"), runs, work, unknown)
            _add(computations, _called(instruction, "condition"), runs, work, unknown)
        elif kind in ("call", "async-start") or (kind.endswith("-start") and "calls=" in instruction.line):
            _add(computations, _called(instruction, "to_apply", "calls"), times, work, unknown)
        elif kind == "conditional":
            for branch in _branches(instruction):  # the most that it can be
                _add(computations, branch, times, work, unknown)
        else:
            _add_kernel(computations, name, instruction, times, work)


def _add_kernel(computations: dict, name: str, instruction: _Instruction, times: int, work: Work) -> None:
    work.kernels += times
    operations = 0.0
    if instruction.kind == "custom-call":
        work.custom_calls += times
        shape = _solved(instruction)
        if shape:
            work.solvers.append((times, *shape))
    elif instruction.kind == "fusion":
        operations = sum(map(_operations, computations[_called(instruction, "calls")].values()))
    else:
        operations = _operations(instruction)
    work.kernel_work.append((times, operations, _moved(computations, name, instruction)))


def _moved(computations: dict, name: str, instruction: _Instruction) -> float:
    """Bytes that a kernel reads and writes."""
    if instruction.kind == "fusion":
        return _moved_by_fusion(computations[_called(instruction, "calls")])
    operands = [computations[name][o].result for o in instruction.operands if o in computations[name]]
    written = _bytes(instruction.result)
    if instruction.kind in _TAKING:
        return 2 * written + sum(map(_bytes, operands[1:]))
    if instruction.kind == "dynamic-update-slice":
        return 2 * _bytes(operands[1]) + sum(map(_bytes, operands[2:]))
    return written + sum(map(_bytes, operands))


def _moved_by_fusion(fused: dict[str, _Instruction]) -> float:
    """From the last instruction to the parameters: how much of each result is needed for what is needed of the next."""
    needed = dict.fromkeys(fused, 0.0)
    last = next(reversed(fused))
    roots = fused[last].operands if fused[last].kind == "tuple" else [last]
    written = 0.0
    for root in roots:
        changed = _changed_in_place(fused, root)
        written += _bytes(fused[changed or root].result)
        needed[root] = _bytes(fused[root].result)
    for name in reversed(fused):
        instruction, size = fused[name], _bytes(fused[name].result)
        wanted = min(needed[name], size)
        for place, operand in enumerate(instruction.operands):
            if instruction.kind != "tuple" and operand in fused:
                needed[operand] += _share(fused, instruction, wanted / max(size, 1.0), place, operand)
    return written + sum(min(needed[n], _bytes(i.result)) for n, i in fused.items() if i.kind == "parameter")


def _share(fused: dict, instruction: _Instruction, share: float, place: int, operand: str) -> float:
    """Bytes of an operand that a share of the result asks for."""
    whole, result = _bytes(fused[operand].result), _bytes(instruction.result)
    if instruction.kind in _TAKING:
        return share * result if place == 0 else whole
    if instruction.kind == "dynamic-update-slice" and place == 0:
        return 0.0  # what is not changed stays where it is
    if instruction.kind in ("reduce", "dot", "convolution"):
        return whole * share
    elements = math.prod(_shapes(fused[operand].result)[0]) / max(1, math.prod(_shapes(instruction.result)[0]))
    return whole * min(1.0, share / max(elements, 1e-300))  # elementwise, broadcast, concatenated, padded


def _changed_in_place(fused: dict[str, _Instruction], root: str) -> str | None:
    """What a fusion's result writes into an array that it is given, if that is all it writes."""
    while fused[root].kind in ("bitcast", "copy", "reshape"):
        root = fused[root].operands[0]
    return fused[root].operands[1] if fused[root].kind == "dynamic-update-slice" else None


def _called(instruction: _Instruction, *attributes: str) -> str:
    for attribute in attributes:
        if found := re.search(rf"\b{attribute}=%?([\w.\-]+)", instruction.line):
            return found[1]
    raise ValueError(f"An instruction calls nothing: {instruction.line[:80]!r}.")


def _branches(instruction: _Instruction) -> list[str]:
    if found := re.search(r"branch_computations=\{([^}]*)\}", instruction.line):
        return _NAME.findall(found[1])
    return [_called(instruction, "true_computation"), _called(instruction, "false_computation")]


def _solved(instruction: _Instruction) -> tuple[int, int] | None:
    """Matrices and size of a decomposition by a library."""
    target = re.search(r'custom_call_target="([^"]*)"', instruction.line)
    if target is None or not re.search(r"syev|gesvd|Eigh|geqrf|getrf|potrf", target[1], re.IGNORECASE):
        return None
    shape = _shapes(instruction.result)[0]
    return math.prod(shape[:-2]), max(shape[-2:])


def _shapes(text: str) -> list[tuple[int, ...]]:
    return [tuple(map(int, dims.split(","))) if dims else () for _, dims in _ARRAY.findall(text)]


def _bytes(text: str) -> float:
    return sum(
        _SIZES.get(kind, 4) * math.prod(map(int, dims.split(","))) if dims else _SIZES.get(kind, 4)
        for kind, dims in _ARRAY.findall(text)
    )


def _operations(instruction: _Instruction) -> float:
    """Floating-point operations of an elementwise instruction or a reduction, about."""
    if instruction.kind in _FREE or not re.match(r"\(?[fc]\d", instruction.result):
        return 0.0
    if instruction.kind in (
        "broadcast",
        "copy",
        "select",
        "slice",
        "concatenate",
        "reshape",
        "transpose",
        "pad",
        "gather",
    ):
        return 0.0
    size = max((math.prod(shape) for shape in _shapes(instruction.line.split(" metadata=")[0])), default=1)
    return float(size) * (20 if instruction.kind in _TRANSCENDENTAL else 1)
