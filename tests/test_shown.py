"""What of a value a message repeats."""

import numpy as np
import pytest

from jaxent.messages import shown


class Hostile:
    def __repr__(self):
        raise RuntimeError("no repr")


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**7,
        "line\n" * 10**5,
        list(range(10**6)),
        np.zeros((300, 300)),
        10**5000,
        {"k" * 900: 1},
        Hostile(),
        [["deep"] * 9] * 9,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_message_repeats_at_most_eighty_characters_on_one_line(value):
    assert 0 < len(shown(value)) <= 80
    assert "\n" not in shown(value)


@pytest.mark.parametrize("value", [1, -2.5, "pi/2", None, [1, 2, 3], 3 + 4j, True, np.float64(0.5), {"a": 1}])
def test_short_values_are_repeated_as_they_are(value):
    assert shown(value) == repr(value)


@pytest.mark.parametrize("digits", [81, 200, 4301, 9999])
def test_huge_integers_are_told_by_their_digits(digits):
    assert shown(10**digits - 1) == f"an integer of {digits} digits"
    assert shown(10 ** (digits - 1)) == f"an integer of {digits} digits"
    assert shown(-(10**digits)) == f"an integer of {digits + 1} digits"
