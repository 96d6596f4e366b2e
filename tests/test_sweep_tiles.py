"""Ranges of tiles, for job arrays: together they are the whole sweep, and none is computed twice."""

import json
import os

import numpy as np
import pytest

import jaxent
from jaxent import Sweep, open_sweep, run_sweep
from jaxent.sweep import lock, owners

QUESTION = Sweep(quantities=["outcome_probability"], n_atoms=5, time=list(np.linspace(0.1, 1.1, 11)))
FILE = 'quantities = ["outcome_probability"]\nn_atoms = 5\ntime = { start = 0.1, stop = 1.1, count = 11 }\n'


def test_ranges_in_any_order_are_the_whole_sweep(tmp_path, whole):
    done = [run_sweep(QUESTION, tmp_path, tile_points=3, tiles=ends) for ends in [(2, 9), (0, 2)]]
    assert [one.n_computed for one in done] == [5, 6]
    assert open_sweep(tmp_path).identical(open_sweep(whole))
    assert run_sweep(QUESTION, tmp_path, tiles=(1, 3)).n_computed == 0
    assert run_sweep(QUESTION, tmp_path).n_computed == 0


def test_a_range_leaves_the_other_tiles_alone(tmp_path):
    run_sweep(QUESTION, tmp_path, tile_points=3, tiles=(1, 2))
    assert sorted(path.name for path in tmp_path.glob("tile*")) == ["tile-000001.nc", "tiles-1.jsonl"]
    missing = np.isnan(open_sweep(tmp_path).outcome_probability.values).ravel()
    assert missing.tolist() == [True] * 3 + [False] * 3 + [True] * 5


SHARES = [
    lock.Share(p, n, *ends) for n in (1, 2, 3, 4) for p in range(n) for ends in ((0, 40), (0, 7), (5, 6), (7, 20))
]


@pytest.mark.parametrize("share", SHARES)
def test_shares_meet_where_a_tile_is_common_to_both(share):
    def tiles(one):
        return {k for k in range(one.first, one.stop) if k % one.n_processes == one.process}

    for other in SHARES:
        assert share.meets(other) == bool(tiles(share) & tiles(other))


def test_all_meet_who_has_all():
    for share in [lock.Share(), lock.Share(3, 7), lock.Share(first=10**5, stop=10**5 + 1)]:
        assert lock.Share().meets(share)
        assert share.meets(lock.Share())
    assert not lock.Share(2**30, 2**31).meets(lock.Share(2**30 + 1, 2**31))


def hold(folder, share):
    record = owners.this_process()._asdict() | share._asdict()
    (folder / f"running-{share.label}.json").write_text(json.dumps(record))


@pytest.mark.parametrize(("ends", "meets"), [((0, 2), False), ((0, 3), True), ((3, 4), True), ((2, 3), True)])
def test_a_range_that_another_computes_is_refused(tmp_path, ends, meets):
    hold(tmp_path, lock.Share(first=2, stop=4))
    if meets:
        with pytest.raises(ValueError, match=rf"is computed into by process {os.getpid()} .* or by ranges"):
            run_sweep(QUESTION, tmp_path, tile_points=3, tiles=ends)
    else:
        assert run_sweep(QUESTION, tmp_path, tile_points=3, tiles=ends).n_computed == 6
        assert [path.name for path in tmp_path.glob("running*")] == ["running-2-4.json"]


@pytest.mark.parametrize("tiles", [(2, 2), (3, 1), (-1, 2), (0, 10**6 + 1), (0.0, 1.0), 3, (1, 2, 3), "01"])
def test_no_range_is_one_sentence(tmp_path, tiles):
    with pytest.raises(
        ValueError, match=r"Argument `tiles` must be two numbers \(first, stop\) with 0 <= first < stop"
    ):
        run_sweep(QUESTION, tmp_path / "new", tiles=tiles)
    assert not (tmp_path / "new").exists()


def test_a_range_beyond_the_end_says_where_the_end_is(tmp_path):
    with pytest.raises(ValueError, match=r"`tiles` must begin before the end, tile 4, but is \(4, 9\); how many"):
        run_sweep(QUESTION, tmp_path, tile_points=3, tiles=(4, 9))
    with pytest.raises(ValueError, match=r"Arguments `tiles` and `n_processes` exclude each other"):
        run_sweep(QUESTION, tmp_path, tiles=(0, 1), n_processes=2)


def test_the_command_computes_ranges(tmp_path, monkeypatch, jaxent_command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.toml").write_text(FILE)
    outputs = [
        jaxent_command("sweep", "grid.toml", "--tile-points", "3", "--tiles", f"{first}:{first + 2}")
        for first in range(0, 4, 2)
    ]
    assert [(code, err) for code, _, err in outputs] == [(0, "")] * 2
    assert ["6 points, 6 of them" in out for _, out, _ in outputs] == [True, False]
    found = open_sweep(tmp_path / "grid.results").outcome_probability.values.ravel()
    exact = jaxent.outcome_probability(jaxent.Chain(3, 5), np.linspace(0.1, 1.1, 11))
    np.testing.assert_allclose(found, exact, atol=1e-14)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--tiles", "5"), "Argument `tiles` must be a range such as 0:100, but is '5'"),
        (("--tiles", "5:5"), "Argument `tiles` must be a range such as 0:100, but is '5:5'"),
        (("--tiles", "0:5", "--distributed"), "Arguments `tiles` and `distributed` exclude each other"),
    ],
)
def test_bad_ranges_are_one_sentence(tmp_path, jaxent_command, words, sentence):
    (tmp_path / "grid.toml").write_text(FILE)
    code, out, err = jaxent_command("sweep", str(tmp_path / "grid.toml"), *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert sentence in err
