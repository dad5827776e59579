import pytest

from kerastl import apps
from kerastl.apps.data import check_memory as module


@pytest.fixture
def limit(monkeypatch):
    monkeypatch.setattr(module, "memory_limit", lambda: 1 << 20)


def test_what_there_is_is_known():
    assert module.memory_limit() > 1 << 28


def test_the_message_tells_what_to_change(limit):
    module.check_memory(1 << 20, "It", image_size=8)
    with pytest.raises(ValueError, match="`image_size` or `batch_size`"):
        module.check_memory(1 << 21, "It", image_size=8, batch_size=2)


def test_a_batch_is_counted_in_bytes(limit):
    # One stored image of 120 x 120, two of 100 x 100 in float.
    needed = 3 * 120**2 + 2 * 12 * 100**2
    fits = (1 << 20) // needed
    module.check_batch_fits(100, 20, fits)
    with pytest.raises(ValueError, match=f"batch_size={fits + 1}"):
        module.check_batch_fits(100, 20, fits + 1)


@pytest.mark.parametrize("size", [100_000, 400_000])
def test_sizes_without_sense_are_refused_at_once(shapes, size):
    with pytest.raises(ValueError, match=f"memory.*image_size={size}"):
        apps.load_image_folder(shapes, size)
    with pytest.raises(ValueError, match=f"memory.*image_size={size}"):
        apps.load_digits_pair(image_size=size)
