"""test_training.py: when build/tuned is trained anew, and what it is compiled with. The load itself is replaced.
SPDX-License-Identifier: Apache-2.0"""
import os

import bench_rows
import common
import pytest
import training


@pytest.fixture(name="built")
def trees(tmp_path, monkeypatch):
    """Both trees with a program that has counted; what is built and loaded is only noted."""
    done = []
    monkeypatch.setattr(training, "COUNTED", tmp_path / "training")
    monkeypatch.setattr(training, "TUNED", tmp_path / "tuned")
    (tmp_path / "tuned").mkdir()
    (tmp_path / "training/src/os").mkdir(parents=True)
    (tmp_path / "training/holdfast").write_text("a program")

    def train(_binary):
        done.append("train")
        (tmp_path / "training/src/os/loop.c.gcda").write_text("counts")

    monkeypatch.setattr(training.build, "build", lambda kind, *_, **__: done.append(kind))
    monkeypatch.setattr(training.build, "configure", lambda *_, **__: None)
    monkeypatch.setattr(training, "train", train)
    return tmp_path, done


def test_counts_are_there_before_what_is_compiled_with_them(built):
    folder, done = built
    training.build_tuned()
    assert done == ["training", "release", "train", "tuned"]
    assert (folder / "tuned/src/os/loop.c.gcda").read_text() == "counts"


def test_a_program_is_trained_once(built):
    folder, done = built
    training.build_tuned()
    done.clear()
    training.build_tuned()
    assert done == ["training", "tuned"]
    (folder / "training/holdfast").write_text("another program")
    os.utime(folder / "training/holdfast", (1, 1))  # clocks of files may stand still for some milliseconds
    done.clear()
    training.build_tuned()
    assert "train" in done


def test_a_training_without_counts_has_failed(built, monkeypatch):
    folder, done = built
    monkeypatch.setattr(training, "train", lambda _binary: None)
    with pytest.raises(common.Failed):
        training.build_tuned()
    assert "tuned" not in done and not (folder / "tuned/trained").exists()


def test_it_is_trained_with_rows_of_the_bench():
    rows = [row for row in bench_rows.ROWS if row.name in training.ROWS]
    assert len(rows) == len(training.ROWS)
    assert all(row.kind == "load" and "holdfast" in {lane.peer for lane in row.lanes} for row in rows)
    assert {row.load.tls for row in rows} == {True, False}
