"""Compiled programs: few enough for the system; of those on file, an entry that was cut short is replaced."""

import math
import os
import subprocess
import sys
import time
import zlib

import jax
import pytest

import jaxent
from jaxent.runtime import programs


def test_what_was_cut_short_goes_and_the_rest_stays(tmp_path):
    whole = zlib.compress(os.urandom(3 * 2**20))
    entries = {"a": whole, "b": whole[:-1], "c": whole[:100], "d": b"", "e": whole[:50] + b"\x00" * 50 + whole[100:]}
    entries["f"] = b"\x28\xb5\x2f\xfd of another kind"
    for name, data in entries.items():
        (tmp_path / f"{name}-cache").write_bytes(data)
    programs.drop_damaged(tmp_path, with_times=False)
    assert sorted(path.name for path in tmp_path.glob("*-cache")) == ["a-cache", "f-cache"]
    (tmp_path / "g-cache").write_bytes(whole[:-1])  # younger than the mark
    programs.drop_damaged(tmp_path, with_times=False)
    assert sorted(path.name for path in tmp_path.glob("*-cache")) == ["a-cache", "f-cache"]


def test_an_entry_without_its_time_goes_unless_it_is_being_written(tmp_path):
    for name in ("old", "timed", "new"):
        (tmp_path / f"{name}-cache").write_bytes(zlib.compress(b"program"))
    (tmp_path / "timed-atime").write_bytes(b"12345678")
    past = time.time() - 1000
    for name in ("old", "timed"):
        os.utime(tmp_path / f"{name}-cache", (past, past))
    programs.drop_damaged(tmp_path, with_times=True)
    assert sorted(path.name for path in tmp_path.glob("*-cache")) == ["new-cache", "timed-cache"]


def test_whole_entries_are_read_once(tmp_path):
    entry, past = tmp_path / "a-cache", time.time() - 10
    for content in (zlib.compress(b"program"), b"\x78 damaged"):  # the latter under the time of the former
        entry.write_bytes(content)
        os.utime(entry, (past, past))
        programs.drop_damaged(tmp_path, with_times=False)
    assert entry.exists()
    programs.drop_damaged(tmp_path / "none", with_times=False)


@pytest.mark.skipif(not programs.n_maps(), reason="only Linux tells, and limits, what a process maps")
def test_programs_are_forgotten_before_the_system_ends_the_process(monkeypatch):
    other = jax.jit(lambda x: x + 1)
    other(1.0)
    monkeypatch.setattr(programs, "_MOST_MAPS", 0.0)
    monkeypatch.setattr(programs, "_remained", -math.inf)
    with pytest.warns(
        RuntimeWarning, match=r"maps \d+ pieces of memory, nearly the \d+ that Linux grants.*compiled again"
    ):
        found = jaxent.end_to_end_entropy(jaxent.Chain(3, 47), jaxent.pi_fraction(1, 2))
    assert other._cache_size() == 0
    assert abs(found - 2) < 1e-5
    assert not programs.forget_if_too_many(jax)  # what is left are no programs: to forget these again would not help
    monkeypatch.undo()
    assert not programs.forget_if_too_many(jax)


def test_programs_are_forgotten_between_tasks_where_they_take_a_share(tmp_path):
    function = jax.jit(lambda x: x + 48)
    function(1.0)
    granted = tmp_path / "limit"
    granted.write_text(str(10 * programs.n_maps()))
    assert not programs.forget_between(jax, 0.3, granted)
    assert function._cache_size() == 1
    assert programs.forget_between(jax, 0.05, granted)
    assert function._cache_size() == 0


def test_a_system_that_tells_nothing_is_left_alone(tmp_path):
    assert not programs.forget_between(jax, 0.0001, tmp_path / "missing")
    assert not programs.forget_if_too_many(jax, tmp_path / "missing")
    assert programs.n_maps(tmp_path / "missing") == 0


SCRIPT = """
import sys, jax
jax.config.update("jax_enable_x64", True)
import jaxent
compiled = []
jax.monitoring.register_event_listener(lambda name, **_: compiled.append(name))
print(jaxent.keep_compiled_programs(*sys.argv[1:]))
print(float(jaxent.end_to_end_renyi_entropy(jaxent.Chain(3, 40), 1.0, 2.0)))
print(sum("cache_hits" in name for name in compiled))
"""


@pytest.mark.parametrize("given", [True, False])
def test_a_script_keeps_its_programs_for_the_next(tmp_path, given):
    folder = tmp_path / "kept" if given else tmp_path / "jaxent" / "programs"
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)}
    arguments = [sys.executable, "-c", SCRIPT, *([str(folder)] if given else [])]
    runs = [
        subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    ]
    assert runs[0][:2] == runs[1][:2] == [str(folder), runs[0][1]]
    assert (int(runs[0][2]), int(runs[1][2]) > 0) == (0, True)


def test_a_folder_for_programs_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        jaxent.keep_compiled_programs(tmp_path / "file" / "programs")


def test_nothing_is_kept_where_the_environment_says_so(monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    assert jaxent.keep_compiled_programs() is None


TWICE = """
import sys, jax
import jaxent
for folder in sys.argv[1:]:
    assert str(jaxent.keep_compiled_programs(folder)) == folder
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.jit(lambda x: x + len(folder))(1.0)
print(jaxent.keep_compiled_programs())
"""


def test_another_folder_is_used_from_then_on(tmp_path):
    folders = [str(tmp_path / name) for name in ("first", "second one")]
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    command = [sys.executable, "-c", TWICE, *folders]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.strip() == folders[1]
    assert [len(list((tmp_path / name).glob("*-cache"))) > 0 for name in ("first", "second one")] == [True, True]
