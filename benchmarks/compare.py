"""What got slower or larger since the committed results?

Claim: nothing by more than 5 %. Seconds and memory in the JSON files beside this script are compared with those of the
last commit (or of `--against`), where device, precision and processors are the same; others are named and left out.
Numbers of the peers that a benchmark runs beside jaxent are listed as well: where they move too, it was the machine.
`make benchmarks` before writes the files anew. Status 1 where something of jaxent's got slower by more than a tenth.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parent
KINDS = ("seconds", "_mib", "_gib", "_bytes")
PEERS = ("numpy", "qutip", "dynamiqs", "lapack", "authors")
MACHINE = ("device", "precision", "processors", "platform")
NOTICED, TOO_MUCH = 1.05, 1.1
LEAST = 1e-5  # seconds below which a difference is the clock's


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", metavar="COMMIT", default="HEAD", help="commit that holds the earlier results")
    chosen = parser.parse_args()
    failed = False
    for path in sorted(FOLDER.glob("*.json")):
        before, now = committed(path, chosen.against), json.loads(path.read_text())
        if before is None or before == now:
            continue
        if any(before["about"].get(key) != now["about"].get(key) for key in MACHINE):
            print(f"{path.name}: another machine or precision than that of {chosen.against}; not compared")
            continue
        for name, old, new in slower(before, now):
            of_jaxent = not any(peer in name for peer in PEERS)
            failed |= of_jaxent and new > TOO_MUCH * old
            whose = "" if of_jaxent else "  (peer)"
            print(f"{path.name:24} {name:60} {old:10.3g} → {new:10.3g}  × {new / old:.2f}{whose}")
    if not failed:
        print(f"nothing of jaxent's got slower by more than a tenth since {chosen.against}.")
    return 1 if failed else 0


def committed(path: Path, commit: str) -> dict | None:
    """The results of a commit, None where it has none."""
    command = ["git", "show", f"{commit}:./{path.name}"]
    shown = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    return json.loads(shown.stdout) if shown.returncode == 0 else None


def slower(before: dict, now: dict) -> Iterator[tuple[str, float, float]]:
    """Name, earlier and present number, of what grew noticeably."""
    old = dict(numbers(before))
    for name, new in numbers(now):
        if old.get(name, 0) > LEAST and new > NOTICED * old[name]:
            yield name, old[name], new


def numbers(found, name: str = "") -> Iterator[tuple[str, float]]:
    """Seconds and sizes of memory in a tree of results, each by the way to it; rows by what they are about."""
    if isinstance(found, dict):
        for key, value in found.items():
            yield from numbers(value, f"{name}.{key}" if name else key)
    elif isinstance(found, list):
        for number, value in enumerate(found):
            yield from numbers(value, f"{name}[{label(value) or number}]")
    elif isinstance(found, int | float) and any(kind in name.split(".")[-1] for kind in KINDS):
        yield name, float(found)


def label(row) -> str:
    """What a row is about, "" where it does not say."""
    if not isinstance(row, dict):
        return ""
    about = [str(row[key]) for key in ("case", "program", "target", "size", "n_atoms", "points") if key in row]
    return ", ".join(about)


if __name__ == "__main__":
    sys.exit(main())
