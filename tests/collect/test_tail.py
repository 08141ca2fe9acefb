"""Every line becomes one record, whatever happens to the files."""

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from lib.collect.parse import MAX_LINE
from lib.collect.tail import Tail
from lib.errors import SourceUnavailable
from lib.logs.ingest import Checkpoint

from .log_files import NOW, Desk, line_of


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_small_quiet_file_is_read_in_the_first_pass(desk):
    written = desk.write()

    desk.poll()

    assert desk.sink.messages == written


def test_only_new_lines_are_read_after_a_restart(desk):
    written = desk.write(5)
    desk.poll()
    desk.restart()
    written += desk.write(3)

    desk.poll()

    assert desk.sink.messages == written


def test_the_last_lines_are_read_after_a_rename_and_the_new_file_from_its_start(desk):
    written = desk.write(3)
    desk.poll()
    written += desk.write(2)
    desk.path().rename(desk.path("combined.log.1"))
    written += desk.write(2)

    desk.poll()

    assert sorted(desk.sink.messages) == sorted(written)


def test_a_late_writer_is_read_after_the_file_moved_out_of_the_glob(desk):
    desk.write(1)
    desk.poll()
    with desk.path().open("ab") as late:
        desk.path().rename(desk.path("old.log"))
        desk.poll()
        desk.time_s += 59
        late.write(line_of("late"))

    desk.poll()

    assert "late" in desk.sink.messages


def test_names_that_are_used_again_do_not_hide_lines(desk):
    # winston: combined.log -> combined1.log; after a restart combined.log is opened anew
    written = desk.write(3) + desk.write(3, "combined1.log")
    desk.poll()
    desk.path().unlink()
    desk.path("combined1.log").rename(desk.path())
    written += desk.write(2) + desk.write(2, "combined1.log")

    desk.settle()

    assert sorted(desk.sink.messages) == sorted(written)


def test_an_inode_that_is_used_again_is_a_new_file(desk):
    written = desk.write(5)
    desk.poll()
    desk.restart()
    inode = desk.path().stat().st_ino
    os.truncate(desk.path(), 0)  # what reuse of an inode looks like: same number, other bytes
    written += desk.write(9)

    desk.poll()

    assert desk.path().stat().st_ino == inode
    assert desk.sink.messages == written


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("seen_before", [False, True])
def test_a_copytruncate_neither_loses_nor_doubles_lines(desk, restart, seen_before):
    written = desk.write(20)
    desk.poll()
    written += desk.write(5)  # only the copy will have these
    if restart:
        desk.restart()
    desk.path("combined.log.1").write_bytes(desk.path().read_bytes())
    if seen_before:
        written += desk.write(2)  # read from the original although the copy lacks them
        desk.poll()
    os.truncate(desk.path(), 0)
    written += desk.write(7)

    desk.settle()

    assert sorted(desk.sink.messages) == sorted(written)
    assert desk.sink.told == []


def test_a_copy_that_is_still_being_made_is_not_read_as_a_new_file(desk):
    written = desk.write(100)
    desk.poll()
    whole = desk.path().read_bytes()
    for end in (0, 10, 2000, len(whole)):
        desk.path("combined.log.1").write_bytes(whole[:end])
        desk.poll()
    os.truncate(desk.path(), 0)
    written += desk.write(1)

    desk.settle()

    assert desk.sink.messages == written


def test_a_kept_copy_of_a_live_file_is_not_read_twice_even_after_its_original_is_gone(desk):
    written = desk.write(10)
    desk.poll()
    desk.path("combined.bak").write_bytes(desk.path().read_bytes())
    desk.settle()
    desk.path().unlink()

    desk.settle()
    desk.restart()
    desk.settle()

    assert desk.sink.messages == written


def test_two_files_that_begin_alike_are_both_read(desk):
    same = line_of("the same start")
    desk.path("combined-a.log").write_bytes(same)
    desk.path("combined-b.log").write_bytes(same)
    desk.poll()
    written = desk.write(2, "combined-a.log") + desk.write(2, "combined-b.log")

    desk.settle()

    assert sorted(m for m in desk.sink.messages if m != "the same start") == sorted(written)


def test_a_hole_of_nul_bytes_is_skipped(desk):
    with desk.path().open("wb", buffering=0) as writer:  # not in append mode: writes on at its old place
        writer.write(line_of("before") * 2000)
        desk.poll()
        os.truncate(desk.path(), 0)
        writer.write(line_of("after"))

        desk.settle()

    assert desk.sink.messages[-1] == "after"
    assert desk.sink.messages.count("after") == 1
    assert not any("\x00" in m or "␀" in m for m in desk.sink.messages)


def test_half_a_line_waits_for_the_rest_also_across_a_restart(desk):
    line = line_of("whole")
    desk.path().write_bytes(line_of("first") + line[:20])
    desk.poll()
    desk.restart()
    desk.poll()
    with desk.path().open("ab") as file:
        file.write(line[20:])

    desk.poll()

    assert desk.sink.messages == ["first", "whole"]


def test_the_half_line_at_the_end_of_a_removed_file_is_a_record(desk):
    desk.path().write_bytes(line_of("first") + line_of("second")[:-1])
    desk.poll()
    desk.path().unlink()

    desk.settle()

    assert desk.sink.messages == ["first", "second"]


def test_a_line_of_ten_megabytes_is_cut_and_the_next_is_whole(desk):
    desk.path().write_bytes(line_of("before") + b"x" * 10_000_000 + b"\n" + line_of("after"))

    desk.poll(8)

    before, cut, after = desk.sink.rows
    assert (before["message"], after["message"]) == ("before", "after")
    assert cut["truncated"]
    assert len(cut["message"]) <= MAX_LINE
    assert [gap.kind for gap in desk.sink.told] == ["truncated"]
    assert desk.tail.counters()["truncated"] == 1


def test_a_line_that_is_under_way_for_ten_megabytes_keeps_little_in_memory(desk):
    desk.path().write_bytes(b"x" * 10_000_000)

    desk.poll(8)

    held = [len(one.cutter.held) for one in desk.tail._live.values()]
    assert held == [MAX_LINE + 1]


def test_a_file_that_is_removed_while_open_loses_nothing(desk):
    desk.write(1)
    desk.poll()
    written = desk.write(5000)
    desk.path().unlink()

    desk.settle()

    assert desk.sink.messages[1:] == written
    assert desk.sink.told == []


def test_bytes_that_were_unread_when_the_file_went_are_told_once(tmp_path):
    desk = Desk(tmp_path, budget=1000)
    desk.write(100)
    desk.poll()
    size = desk.path().stat().st_size
    desk.restart()
    desk.path().unlink()

    desk.settle()
    desk.restart()
    desk.settle()

    (gap,) = desk.sink.told
    assert (gap.kind, gap.file) == ("lost", "combined.log")
    assert gap.size == size - sum(len(line_of(m)) for m in desk.sink.messages)


def test_a_file_that_is_emptied_unread_is_told_after_a_while(tmp_path):
    desk = Desk(tmp_path, budget=1000)
    desk.write(100)
    desk.poll()
    os.truncate(desk.path(), 0)
    written = desk.write(1)

    desk.settle()

    gap, half = desk.sink.told
    assert (gap.kind, half.kind) == ("lost", "unparsed")  # the half line under way is kept
    assert gap.size > 5000
    assert desk.tail.counters()["lost_bytes"] == gap.size
    assert written[0] in desk.sink.messages


def test_what_the_store_refused_is_read_again(desk):
    written = desk.write(3)
    desk.sink.failing = True
    with pytest.raises(SourceUnavailable):
        desk.poll()
    desk.sink.failing = False
    written += desk.write(1)

    desk.poll()

    assert desk.sink.messages == written
    assert desk.tail.counters()["failed_writes"] == 1


@pytest.mark.parametrize(
    "edit",
    [
        lambda offset, info: (offset + 10_000, info),  # ahead of the file
        lambda offset, info: (offset - 80, info),  # behind: what stands before it is not what was read last
        lambda offset, info: (offset + 1, info),
        lambda offset, info: (offset, re.sub(r'"([0-9a-f]{24})', '"' + "0" * 24, info)),  # another file's prints
    ],
)
def test_f24_a_checkpoint_that_does_not_fit_the_file_means_from_the_start(desk, edit):
    written = desk.write(40)
    desk.poll()
    desk.restart()
    for one in list(desk.sink.kept.values()):
        desk.sink.kept[one.origin] = Checkpoint(one.origin, *edit(one.offset, one.info))

    desk.poll()

    assert desk.sink.messages == written * 2


def test_f12_offsets_do_not_depend_on_the_clock(tmp_path):
    desk, shift = Desk(tmp_path), timedelta(0)
    desk.tail = Tail([f"{tmp_path}/combined*"], desk.sink, lambda: NOW + shift, monotonic=lambda: desk.time_s)
    written = desk.write(3)
    desk.poll()

    for jump in (-1, 1, -24 * 365, 24 * 365):
        shift = timedelta(hours=jump)
        written += desk.write(2)
        desk.path().rename(desk.path(f"combined.log.{jump}"))
        written += desk.write(2)
        desk.settle()

    assert sorted(desk.sink.messages) == sorted(written)
    assert desk.sink.told == []


def test_a_checkpoint_that_cannot_be_read_means_from_the_start(desk):
    desk.sink.kept["x"] = Checkpoint("x", 5, "{}")
    written = desk.write(2)

    desk.poll()

    assert desk.sink.messages == written


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    inside = tmp_path / "logs"
    inside.mkdir()
    (tmp_path / "secret").write_bytes(line_of("secret"))
    (inside / "combined-link.log").symlink_to(tmp_path / "secret")
    (inside / "combined-up.log").symlink_to("../secret")
    desk = Desk(inside)
    desk.write(1)

    desk.poll()

    assert "secret" not in desk.sink.messages
    assert set(desk.tail.problems) == {str(inside / "combined-link.log"), str(inside / "combined-up.log")}


def test_a_fifo_and_a_folder_stop_nothing(desk):
    os.mkfifo(desk.path("combined-fifo.log"))
    desk.path("combined-folder").mkdir()
    written = desk.write(2)

    desk.poll()

    assert desk.sink.messages == written


def test_packed_files_are_left_to_the_import(desk):
    desk.path("combined.log.2.gz").write_bytes(b"\x1f\x8b")

    desk.poll()

    assert desk.sink.rows == []


def test_bad_lines_are_kept_and_counted_and_the_next_is_read(desk):
    desk.path().write_bytes(b"not json\n\n\xff\xfe\n" + line_of("good"))

    desk.poll()

    assert [row["level"] for row in desk.sink.rows] == ["UNPARSED", "UNPARSED", "INFO"]
    assert desk.tail.counters()["unparsed"] == 2


def test_every_line_of_a_generation_has_its_own_lasting_id(desk):
    desk.write(3)
    desk.poll()
    desk.restart()
    desk.write(3)

    desk.poll()

    ids = [row["id"] for row in desk.sink.rows]
    assert len(set(ids)) == 6
    assert len({one.split("-")[0] for one in ids}) == 1


def test_lag_counts_what_the_budget_left(tmp_path):
    desk = Desk(tmp_path, budget=1000)
    desk.write(100)

    progress = desk.tail.poll()

    assert progress.more
    assert desk.tail.counters()["lag_bytes"] > 5000


def test_a_file_that_begins_like_a_shorter_one_is_not_its_copy(desk):
    desk.path("combined.log.1").write_bytes(b"{")  # a copy that was torn off
    desk.poll()
    written = desk.write(1)

    desk.settle()

    assert desk.sink.messages == written


@pytest.mark.parametrize("restart", [False, True])
def test_a_copy_of_a_small_file_is_known_although_it_is_shorter_than_what_was_read(desk, restart):
    written = desk.write(4)
    desk.path("combined.log.1").write_bytes(desk.path().read_bytes())
    written += desk.write(1)  # read, but not in the copy
    desk.poll()
    if restart:
        desk.restart()
    os.truncate(desk.path(), 0)

    desk.settle()

    assert desk.sink.messages == written
    assert desk.sink.told == []


def test_what_was_written_between_a_copy_and_the_truncation_is_told_as_lost(tmp_path):
    desk = Desk(tmp_path, budget=300)
    written = desk.write(20)
    desk.path("combined.log.1").write_bytes(desk.path().read_bytes())
    gone = desk.write(2)
    desk.poll()
    os.truncate(desk.path(), 0)

    desk.settle()

    assert desk.sink.messages == written
    assert [gap.size for gap in desk.sink.told] == [sum(len(line_of(m)) for m in gone)]


def test_half_a_line_in_a_file_that_went_is_told_as_lost(desk):
    desk.path().write_bytes(line_of("half")[:30])
    desk.poll()
    desk.restart()
    desk.path().unlink()

    desk.settle()

    assert [(gap.kind, gap.size) for gap in desk.sink.told] == [("lost", 30)]


def test_a_copy_that_is_packed_at_once_is_read_to_its_end_where_it_was_seen(tmp_path):
    desk = Desk(tmp_path, budget=300)
    written = desk.write(20)
    desk.poll()
    copy = desk.path("combined.log.1")
    copy.write_bytes(desk.path().read_bytes())
    desk.poll()
    os.truncate(desk.path(), 0)
    copy.unlink()  # copytruncate and compress without delaycompress

    for _ in range(20):
        desk.poll()
    desk.settle()

    assert desk.sink.messages == written
    assert desk.sink.told == []


def test_a_store_that_lost_its_positions_is_read_into_from_the_start(desk):
    written = desk.write(5)
    desk.poll()
    desk.sink.rows.clear()
    desk.sink.kept.clear()

    desk.tail.start_over()
    desk.poll()

    assert desk.sink.messages == written


def test_a_file_without_a_name_is_read_to_its_end_although_the_store_was_opened_anew(tmp_path):
    desk = Desk(tmp_path, budget=300)
    written = desk.write(20)
    desk.poll()
    desk.path().unlink()
    desk.sink.failing = True
    with pytest.raises(SourceUnavailable):
        desk.poll()
    desk.sink.failing = False

    desk.tail.start_over()
    desk.settle()

    assert desk.sink.messages == written
    assert desk.sink.told == []


def test_hundreds_of_old_files_are_read_pass_by_pass_and_do_not_keep_a_new_line_waiting(tmp_path):
    desk = Desk(tmp_path, budget=1000)
    written = []
    for old in range(30):
        written += desk.write(40)
        desk.path().rename(desk.path(f"combined.log.{old}"))
    for _ in range(3):
        desk.poll()
    written += desk.write(1)

    read = [desk.tail.poll() for _ in range(3)]

    assert all(0 < one.bytes_read <= 4 * 1000 + 1000 for one in read), "memory holds a few files' worth at a time"
    assert written[-1] in desk.sink.messages
    while desk.tail.poll().more:
        pass
    assert sorted(desk.sink.messages) == sorted(written)
