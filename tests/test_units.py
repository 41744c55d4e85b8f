import pytest

from ragcli.units import human_duration, human_number, human_size


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.00"),
        (0.0328, "0.033"),
        (0.931, "0.93"),
        (-0.25, "-0.25"),
        (12.41, "12.4"),
        (341.4, "341"),
        (1e6, "1000000"),
    ],
)
def test_numbers(value, shown):
    assert human_number(value) == shown


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1434, "1.4 KiB"),
        (10 * 1024, "10 KiB"),
        (1024 * 1024 - 1, "1.0 MiB"),
        (24_000_000, "23 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (5000 * 1024**4, "5000 TiB"),
    ],
)
def test_sizes(size, shown):
    assert human_size(size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 ms"),
        (0.34, "340 ms"),
        (0.9996, "1.0 s"),
        (2.14, "2.1 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
        (86400, "1 d"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations(seconds, shown):
    assert human_duration(seconds) == shown
