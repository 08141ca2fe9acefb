"""A file is known by device, inode and content."""

import os
from pathlib import Path

import pytest

from lib.collect.files import Found, Known, Print, discover, open_found, root_of, take_head, take_print


@pytest.fixture
def fd(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_bytes(b"0123456789" * 300)
    fd = os.open(path, os.O_RDONLY)
    yield fd
    os.close(fd)


def known(fd: int, offset: int) -> Known:
    return Known("/a", 1, 2, take_head(fd, 1024), take_print(fd, offset - 1000, 1000), 3000, 0.0)


def test_a_print_fits_where_the_bytes_are_the_same(fd):
    print_ = take_print(fd, 10, 50)

    assert print_.fits(fd, 20)
    assert not print_.fits(fd, 11)


def test_an_empty_print_fits_everything(fd):
    assert Print().fits(fd, 0)


@pytest.mark.parametrize(
    ("content", "agrees"),
    [
        (b"".join(b"a line of forty bytes, its number is %2d\n" % n for n in range(30)), True),
        (b"".join(b"a line of forty bytes, its number is %2d\n" % n for n in range(5)), True),
        (
            b"".join(b"a line of forty bytes, its number is %2d\n" % n for n in range(5)) + b"a li",
            True,
        ),  # copied halfway
        (b"".join(b"a line of forty bytes, its number is %2d\n" % n for n in (0, 2, 3)), False),
        (b"a line of forty bytes, its number is  0\n", False),  # too little to tell
        (b"", False),
    ],
)
def test_a_head_agrees_with_a_shorter_copy_of_its_file(tmp_path, content, agrees):
    (tmp_path / "whole").write_bytes(b"".join(b"a line of forty bytes, its number is %2d\n" % n for n in range(99)))
    (tmp_path / "copy").write_bytes(content)

    with (tmp_path / "whole").open("rb") as whole, (tmp_path / "copy").open("rb") as copy:
        assert take_head(whole.fileno(), 1024).agrees(copy.fileno()) is agrees


def test_a_generation_is_known_by_its_start_and_by_what_was_read_last(fd, tmp_path):
    other = tmp_path / "b.log"
    other.write_bytes(b"0123456789" * 150 + b"else" * 400)
    told = known(fd, 2000)

    with other.open("rb") as file:
        assert told.is_in(fd, 2000)
        assert not told.is_in(file.fileno(), 2000)


def test_a_generation_is_not_in_a_file_that_is_shorter_than_what_was_read(fd):
    assert not known(fd, 2000).is_in(fd, 5000)


def test_what_a_checkpoint_keeps_can_be_read_back(fd):
    told = known(fd, 2000)

    assert Known.loads(told.dumps()) == told


@pytest.mark.parametrize("text", ["", "{}", "[1]", "null", "x" * 10])
def test_a_strange_checkpoint_says_nothing(text):
    assert Known.loads(text) is None


@pytest.mark.parametrize(
    ("pattern", "root"), [("/var/log/a/combined*.log", "/var/log/a"), ("/var/lo[g]/x", "/var"), ("/x.log", "/")]
)
def test_the_root_is_what_stands_before_the_first_wildcard(pattern, root):
    assert root_of(pattern) == Path(root).resolve()


def test_two_names_of_one_file_are_one_file(tmp_path):
    (tmp_path / "a.log").write_bytes(b"x")
    (tmp_path / "b.log").hardlink_to(tmp_path / "a.log")
    (tmp_path / "c.log").symlink_to(tmp_path / "a.log")

    found, refused = discover([f"{tmp_path}/*.log", f"{tmp_path}/a*"])

    assert len(found) == 1
    assert refused == {}


def test_a_name_that_moved_on_is_not_opened(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"x")
    about = path.stat()

    assert open_found(Found(str(path), about.st_dev, about.st_ino + 1)) is None
    assert open_found(Found(str(tmp_path / "gone"), about.st_dev, about.st_ino)) is None


def test_a_link_put_in_place_of_a_file_is_not_followed(tmp_path):
    (tmp_path / "target").write_bytes(b"x")
    (tmp_path / "a.log").symlink_to(tmp_path / "target")
    about = (tmp_path / "target").stat()

    with pytest.raises(OSError, match="symbolic"):
        open_found(Found(str(tmp_path / "a.log"), about.st_dev, about.st_ino))
