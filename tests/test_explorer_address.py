"""The address of the explorer: what it says is what is asked and seen, and nonsense in it is one sentence."""

import dataclasses
import fractions
import re
from types import SimpleNamespace

import pytest
from bokeh.document import Document

from jaxent.explorer.address import INITIAL, read, written
from jaxent.explorer.page import Page
from jaxent.explorer.viewport import WHOLE, View
from jaxent.explorer.workers import Workers

DEEP = View(fractions.Fraction(123456789012, 987654321987), -1.25e-13, 3e-14)
STATES = [
    ({}, WHOLE),
    ({"n_atoms": "10^6"}, WHOLE),
    ({"n_atoms": "30", "phase_offset": "pi/8"}, WHOLE),
    ({"n_ensembles": "4", "outcomes": "N 17"}, WHOLE),
    ({"window": "2.5", "outcomes": "N-1"}, View(fractions.Fraction(1, 4), -5e-4, 5e-4)),
    (
        {"quantity": "log_negativity", "dephasing_rate": "0.01", "resolution": "2.5"},
        View(fractions.Fraction(0), 0.1, 0.7),
    ),
    ({"n_atoms": "many", "window": ""}, DEEP),
    ({"n_atoms": "10^10"}, DEEP),
    ({"phase_offset": "<b>&q=7#"}, View(fractions.Fraction(1, 2), -1e-9, 1e-9)),
    ({"n_ensembles": "2"}, View(fractions.Fraction(3, 8), -0.001, 1e-9 / 3)),
]


@pytest.mark.parametrize(("fields", "view"), STATES)
def test_ten_states_are_read_as_written(fields, view):
    query = written(INITIAL | fields, view)
    assert read(query) == (INITIAL | fields, view, [])
    assert (query == "") == (not fields and view == WHOLE)
    assert re.fullmatch(r"[\w.%+=&-]*", query)


def test_kept_curves_are_read_as_written():
    kept = [INITIAL | fields for fields, _ in STATES[5:9]]
    query = written(INITIAL, DEEP, kept)
    assert read(query) == (INITIAL, DEEP, kept)
    assert re.fullmatch(r"[\w.%+=&-]*", query)
    with pytest.raises(ValueError, match="at most 4 kept curves, but has 5"):
        read(written(INITIAL, DEEP, [*kept, INITIAL]))
    with pytest.raises(ValueError, match=r"no entries but .* and not 'x'"):
        read("keep=x%3D1")
    for inner in ("from%3D0%26to%3D1", "keep%3DN%253D3"):
        with pytest.raises(ValueError, match="`keep` must have fields only"):
            read(f"keep={inner}")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("n=7", "no entries but quantity, M, N, c, phi, q, gamma, sigma, around, from, to, keep, and not 'n'"),
        ("N=" + "1" * 61, "N must have at most 60 characters, but has 61."),
        ("&".join(["N=1"] * 51), "at most 50 entries"),
        ("around=pi%2F0&from=0&to=1", "`around` must be a multiple of π like 2pi/3, but is 'pi/0'"),
        ("around=1.5&from=0&to=1", "`around` must be"),
        ("from=0", "`to` must be a number"),
        ("from=nan&to=1", "`from` must be a number"),
        ("from=1&to=0", "`from` must be less than `to`, but they are 1 and 0"),
        ("from=-2&to=-1", "must lie between 0 and 1000"),
    ],
)
def test_a_bad_address_is_one_sentence(query, words):
    with pytest.raises(ValueError, match=re.escape(words)) as refusal:
        read(query)
    assert "\n" not in str(refusal.value)


def opened(monkeypatch, **entries: str) -> Document:
    """A page asked for with the given entries of its address, that computes nothing."""
    document = Document()
    arguments = {name: [text.encode()] for name, text in entries.items()}
    context = SimpleNamespace(request=SimpleNamespace(arguments=arguments))
    monkeypatch.setattr(Document, "session_context", property(lambda self: context))
    Page(document, Workers(0))
    return document


def test_a_page_opens_as_its_address_says_and_a_bad_one_is_told(monkeypatch):
    document = opened(monkeypatch, N="10^4", around="pi/2", **{"from": "-1e-7", "to": "1e-7"}, token="old")
    assert document.get_model_by_name("n_atoms").value == "10^4"
    plot = document.get_model_by_name("curve")
    assert (plot.x_range.start, plot.x_range.end, plot.xaxis.axis_label) == (-1e-7, 1e-7, "t − π/2 (1/coupling)")
    document = opened(monkeypatch, N="30", colour="red")
    assert "and not &#x27;colour&#x27;" in document.get_model_by_name("status").text


def test_a_view_keeps_its_centre_when_it_is_seen_again():
    for view in (WHOLE, dataclasses.replace(DEEP, stop=1e-13), View(fractions.Fraction(0), 0.5, 3.0)):
        assert view.clipped().recentred().clipped() == view
