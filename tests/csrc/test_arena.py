"""The shared segment: who may open it, what is refused, and what an arena's header must say."""

from __future__ import annotations

import os
import resource
import signal
import struct
from pathlib import Path

import pytest
from _ringtree_core import ffi, lib
from local_ranks import CoreError, arena_segment, check, in_processes, made, segment_name

SHM = Path("/dev/shm")
BYTES = 1 << 20


@pytest.fixture
def segment() -> bytes:
    name = segment_name()
    handle = made(lib.rt_segment_create, "rt_segment", name, BYTES)
    yield name
    lib.rt_segment_free(handle)
    SHM.joinpath(name.decode()[1:]).unlink(missing_ok=True)


def attach(name: bytes, nbytes: int = BYTES) -> object:
    return made(lib.rt_segment_attach, "rt_segment", name, nbytes)


def refusal(call: object, *arguments: object) -> CoreError:
    with pytest.raises(CoreError) as caught:
        made(call, *arguments)
    return caught.value


def test_names_cannot_be_guessed() -> None:
    names = {segment_name() for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(b"/ringtree-") and len(name) == len("/ringtree-") + 32 for name in names)


def test_memory_is_shared_private_and_reserved(segment: bytes) -> None:
    file = SHM / segment.decode()[1:]
    facts = file.stat()
    assert facts.st_mode & 0o777 == 0o600
    assert facts.st_blocks * 512 >= BYTES
    one, other = attach(segment), attach(segment)
    ffi.cast("char *", lib.rt_segment_data(one))[BYTES - 1] = b"x"
    assert ffi.cast("char *", lib.rt_segment_data(other))[BYTES - 1] == b"x"
    assert lib.rt_segment_bytes(other) == BYTES
    check(lib.rt_segment_unlink, segment)
    assert not file.exists()
    assert refusal(lib.rt_segment_attach, "rt_segment", segment, BYTES).status == lib.RT_ERR_SYSTEM
    lib.rt_segment_free(one)
    lib.rt_segment_free(other)


def test_the_creator_takes_the_name_along_and_nobody_else(segment: bytes) -> None:
    file = SHM / segment.decode()[1:]
    lib.rt_segment_free(attach(segment))
    assert file.exists()
    name = segment_name()
    handle, file = made(lib.rt_segment_create, "rt_segment", name, BYTES), SHM / name.decode()[1:]
    in_processes(1, lambda _: lib.rt_segment_free(handle))
    assert file.exists()
    lib.rt_segment_free(handle)
    assert not file.exists()


def test_a_segment_without_a_name_is_shared_until_it_is_hidden() -> None:
    before = set(SHM.iterdir())
    own = made(lib.rt_segment_create_nameless, "rt_segment", b"ringtree-test", 0, BYTES)
    name = ffi.string(lib.rt_segment_name_of(own))
    assert set(SHM.iterdir()) == before
    assert Path(name.decode().partition("#")[0]).stat().st_mode & 0o777 == 0o600
    others = made(lib.rt_segment_create_nameless, "rt_segment", b"ringtree-other", 0, BYTES)
    wrong = ffi.string(lib.rt_segment_name_of(others)).partition(b"#")[0] + b"#ringtree-test"
    assert "memfd:ringtree-other" in refusal(lib.rt_segment_attach, "rt_segment", wrong, BYTES).text
    lib.rt_segment_free(others)

    def process(_: int) -> str:
        other = attach(name)
        ffi.cast("char *", lib.rt_segment_data(other))[BYTES - 1] = b"x"
        lib.rt_segment_free(other)
        return refusal(lib.rt_segment_attach, "rt_segment", name, 2 * BYTES).text

    assert f"holds {BYTES} bytes, expected {2 * BYTES}" in in_processes(1, process)[0]
    assert ffi.cast("char *", lib.rt_segment_data(own))[BYTES - 1] == b"x"
    check(lib.rt_segment_hide, own)
    assert in_processes(1, lambda _: refusal(lib.rt_segment_attach, "rt_segment", name, BYTES).status)[0] < 0
    lib.rt_segment_free(own)


def test_a_name_in_use_is_not_taken_over(segment: bytes) -> None:
    error = refusal(lib.rt_segment_create, "rt_segment", segment, BYTES)
    assert error.status == lib.RT_ERR_SYSTEM
    assert segment.decode() in error.text
    lib.rt_segment_free(attach(segment))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file.chmod(0o644), "mode is 0644, expected 0600"),
        (lambda file: os.truncate(file, BYTES // 2), f"holds {BYTES // 2} bytes, expected {BYTES}"),
    ],
)
def test_a_foreign_segment_is_refused(segment: bytes, change: object, words: str) -> None:
    change(SHM / segment.decode()[1:])
    error = refusal(lib.rt_segment_attach, "rt_segment", segment, BYTES)
    assert error.status == lib.RT_ERR_INVALID
    assert words in error.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_users_segment_is_refused(segment: bytes) -> None:
    os.chown(SHM / segment.decode()[1:], 12345, -1)
    assert "belongs to user 12345" in refusal(lib.rt_segment_attach, "rt_segment", segment, BYTES).text


@pytest.mark.parametrize("nbytes", [0, -1])
def test_sizes_must_be_positive(nbytes: int) -> None:
    assert refusal(lib.rt_segment_create, "rt_segment", segment_name(), nbytes).status == lib.RT_ERR_INVALID


def assert_no_room(error: CoreError, nbytes: int) -> None:
    assert error.status == lib.RT_ERR_NO_MEMORY
    for words in (f"{nbytes} bytes asked for", "free in /dev/shm", "RINGTREE_ARENA"):
        assert words in error.text


def test_no_space_says_how_much_was_asked_and_how_to_ask_less() -> None:
    space = os.statvfs(SHM)
    nbytes = space.f_blocks * space.f_frsize + (1 << 30)
    name = segment_name()
    error = refusal(lib.rt_segment_create, "rt_segment", name, nbytes)
    assert_no_room(error, nbytes)
    assert not SHM.joinpath(name.decode()[1:]).exists(), "nothing is left behind"


def test_a_limit_on_file_sizes_is_no_room_either() -> None:
    def body(rank: int) -> tuple[int, str]:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        error = refusal(lib.rt_segment_create, "rt_segment", segment_name(), BYTES)
        return error.status, error.text

    assert_no_room(CoreError(*in_processes(1, body)[0]), BYTES)


def test_a_formatted_arena_opens() -> None:
    with arena_segment(3, BYTES, elements=5) as name:
        lib.rt_arena_free(made(lib.rt_arena_open, "rt_arena", attach(name), 3, 5))


@pytest.mark.parametrize(
    ("ranks", "elements", "words"),
    [(4, 5, "made for 3 ranks and 5 board elements, expected 4 and 5"), (3, 0, "expected 3 and 0")],
)
def test_ranks_that_expect_another_arena_are_told(ranks: int, elements: int, words: str) -> None:
    with arena_segment(3, BYTES, elements=5) as name:
        error = refusal(lib.rt_arena_open, "rt_arena", attach(name), ranks, elements)
        assert error.status == lib.RT_ERR_INVALID
        assert words in error.text


@pytest.mark.parametrize(
    ("offset", "form", "words"),
    [
        (0, "Q", "magic is"),
        (8, "Q", "all ranks must run the same one"),
        (16, "q", "header says"),
        (32, "I", "layout version"),
    ],
)
def test_a_corrupted_header_is_refused(offset: int, form: str, words: str) -> None:
    with arena_segment(3, BYTES) as name:
        segment = attach(name)
        memory = ffi.buffer(lib.rt_segment_data(segment), BYTES)
        memory[offset : offset + struct.calcsize(form)] = struct.pack(form, 99)
        error = refusal(lib.rt_arena_open, "rt_arena", segment, 3, 0)
        assert error.status == lib.RT_ERR_INVALID
        assert words in error.text
        lib.rt_segment_free(segment)


def test_an_unformatted_segment_is_no_arena(segment: bytes) -> None:
    assert "magic is 0000000000000000" in refusal(lib.rt_arena_open, "rt_arena", attach(segment), 2, 0).text


@pytest.mark.parametrize(("ranks", "elements"), [(1, 0), (8, 100), (1000, 10000)])
def test_the_least_size_is_enough_and_one_byte_less_is_not(ranks: int, elements: int) -> None:
    least = lib.rt_arena_least_bytes(ranks, elements)
    with arena_segment(ranks, least, elements):
        pass
    name = segment_name()
    small = made(lib.rt_segment_create, "rt_segment", name, least - 1)
    error = refusal(lib.rt_arena_format, "rt_arena", small, ranks, elements)
    assert error.status == lib.RT_ERR_NO_MEMORY
    assert "RINGTREE_ARENA" in error.text
    lib.rt_segment_free(small)
