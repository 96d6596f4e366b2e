"""The list of tests that `make test` leaves out."""

import pytest
from conftest import COLLECTED, listed_as_slow


def test_what_is_left_out_exists_and_a_smaller_test_runs_in_place_of_it(request):
    collected = request.config.stash[COLLECTED]
    listed = listed_as_slow(collected)
    files = {one.partition("::")[0] for one in collected}
    if len(files) == 1:
        pytest.skip("tests of one file alone are collected")
    functions = {one.partition("[")[0] for one in collected}
    quick = {one.partition("[")[0] for one in collected if not {one, one.partition("[")[0]} & listed.keys()}
    here = {name: smaller for name, smaller in listed.items() if name.partition("::")[0] in files}
    smaller_ones = {one for one in here.values() if one.partition("::")[0] in files}
    assert here.keys() - collected - functions == set()
    assert smaller_ones - quick == set()
