import sys

import pytest

from small_data import use_small_data


@pytest.fixture
def small_sets(monkeypatch, tmp_path):
    """Small data in place of the real sets, no pictures (they take longest), and an empty working folder."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    use_small_data(monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path
