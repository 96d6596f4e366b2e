"""Write what a page asks and sees as the query of its address, and read it back.

>>> asked = {"n_atoms": "10^6", "phase_offset": "pi/8"}
>>> written(INITIAL | asked, View(fractions.Fraction(1, 4), -1e-5, 1e-5))
'N=10%5E6&phi=pi%2F8&around=pi%2F2&from=-1e-05&to=1e-05'
>>> read(written(INITIAL | asked, WHOLE)) == (INITIAL | asked, WHOLE, [])
True

What is as at the beginning is left out, so that the address of the first page stays bare.
"""

import fractions
import math
import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

from jaxent.explorer.reading import LONGEST, LONGEST_LIST, bounded
from jaxent.explorer.viewport import WHOLE, View
from jaxent.messages import shown
from jaxent.protocol.turn_fractions import pi_multiple

__all__ = ["INITIAL", "MOST_KEPT", "read", "written"]

INITIAL = {
    "quantity": "entropy",
    "n_ensembles": "3",
    "n_atoms": "100",
    "window": "auto",
    "phase_offset": "0",
    "outcomes": "N",
    "dephasing_rate": "0",
    "resolution": "0",
}
_SHORT = {
    "quantity": "quantity",
    "n_ensembles": "M",
    "n_atoms": "N",
    "window": "c",
    "phase_offset": "phi",
    "outcomes": "q",
    "dephasing_rate": "gamma",
    "resolution": "sigma",
}
_FIELDS = {short: name for name, short in _SHORT.items()}
_TIMES = ("around", "from", "to")
_CENTRE = re.compile(r"([0-9]{0,19})pi(?:/([0-9]{1,19}))?")
_KEPT = "keep"  # a curve to compare with: the query of its fields
_MOST_ENTRIES = 50
MOST_KEPT = 4


def written(fields: dict[str, str], view: View, kept: Sequence[dict[str, str]] = ()) -> str:
    """Write the texts of the fields, the view, and those of kept curves, as the query of an address."""
    pairs = [(_SHORT[name], text) for name, text in fields.items() if text != INITIAL[name]]
    pairs += [(_KEPT, written(one, WHOLE)) for one in kept]
    if view != WHOLE:
        numerator, denominator = pi_multiple(view.centre)
        factor, below = "" if numerator == 1 else numerator, "" if denominator == 1 else f"/{denominator}"
        pairs += [("around", f"{factor}pi{below}")] if numerator else []
        pairs += [("from", repr(view.start)), ("to", repr(view.stop))]
    return urlencode(pairs)


def read(query: str) -> tuple[dict[str, str], View, list[dict[str, str]]]:
    """Read a query that `written` wrote, or that a person has typed.

    Returns:
        texts of all fields, not checked beyond their length, the view, and the texts of each kept curve.

    Raises:
        ValueError: one sentence that names the entry, its value and what would be right.
    """
    fields, times, kept = dict(INITIAL), {}, []
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_ENTRIES)
    except ValueError:
        raise ValueError(f"The address must have at most {_MOST_ENTRIES} entries.") from None
    for name, text in pairs:
        if name in _FIELDS:
            bounded(name, text, LONGEST_LIST if name == "q" else LONGEST)
            fields[_FIELDS[name]] = text
        elif name in _TIMES:
            times[name] = text
        elif name == _KEPT:
            one, *rest = read(text)
            if rest != [WHOLE, []]:
                raise ValueError(f"In the address, `{_KEPT}` must have fields only, but is {shown(text)}.")
            kept.append(one)
        else:
            known = ", ".join([*_FIELDS, *_TIMES, _KEPT])
            raise ValueError(f"The address must have no entries but {known}, and not {shown(name)}.")
    if len(kept) > MOST_KEPT:
        raise ValueError(f"The address must have at most {MOST_KEPT} kept curves, but has {len(kept)}.")
    return fields, _view(times) if times else WHOLE, kept


def _view(times: dict[str, str]) -> View:
    around = times.get("around", "0pi")
    match = _CENTRE.fullmatch(around)
    if not match or (match[2] and not int(match[2])):
        raise ValueError(f"In the address, `around` must be a multiple of π like 2pi/3, but is {shown(around)}.")
    centre = fractions.Fraction(int(match[1] or 1), 2 * int(match[2] or 1))
    edges = []
    for name in ("from", "to"):
        text = times.get(name, "")
        try:
            edge = float(text) if len(text) <= LONGEST else math.nan
        except ValueError:
            edge = math.nan
        if not math.isfinite(edge):
            raise ValueError(f"In the address, `{name}` must be a number, the distance in time, but is {shown(text)}.")
        edges.append(edge)
    if not edges[0] < edges[1]:
        raise ValueError(f"In the address, `from` must be less than `to`, but they are {edges[0]:g} and {edges[1]:g}.")
    return View(centre, *edges).clipped()
