from kerastl.apps.data.default_margin import default_margin


def test_a_share_of_the_size_but_never_nothing():
    assert [default_margin(size) for size in (8, 32, 128, 224)] == [
        8,
        8,
        19,
        34,
    ]
