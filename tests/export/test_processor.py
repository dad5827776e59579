import pytest

from kerastl.export import processor

X86 = "processor : 0\nmodel name : A : CPU\nflags : fpu avx2 avx512_vnni\n"
ARM = "processor : 0\nFeatures : fp asimd asimddp\n"


@pytest.fixture
def information(tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_INFORMATION", path)
    return path


def test_what_the_system_tells(information):
    information.write_text(X86)
    assert processor.processor_name() == "A : CPU"
    assert processor.integer_dot_products() == ["avx512_vnni"]
    information.write_text(ARM)
    assert processor.integer_dot_products() == ["asimddp"]
    information.write_text("flags : fpu sse\n")
    assert processor.integer_dot_products() == []


def test_where_the_system_tells_nothing(information):
    assert processor.processor_name()
    assert processor.integer_dot_products() is None
