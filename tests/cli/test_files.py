"""Which files an upload takes, and under which keys."""

from pathlib import Path

import pytest

from cli.files import LocalFile, find_files
from cli.sending import BYTES_A_CALL, FILES_A_CALL, batches
from moat.errors import InvalidRequest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt", ".hidden", "sub/.git/config"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def keys(files: list[LocalFile]) -> list[str]:
    return [file.key for file in files]


def test_a_folder_means_every_file_below_it_that_is_not_hidden(folder: Path) -> None:
    assert keys(find_files([folder], None, None)) == ["a.txt", "sub/b.txt", "sub/deep/c.txt"]


def test_keys_are_relative_to_the_root(folder: Path) -> None:
    assert keys(find_files([folder / "sub"], folder, None)) == ["sub/b.txt", "sub/deep/c.txt"]
    assert keys(find_files([folder / "sub"], None, None)) == ["b.txt", "deep/c.txt"]
    assert keys(find_files([folder / "sub" / "b.txt"], None, None)) == ["b.txt"]


def test_a_list_names_files_below_the_root(folder: Path) -> None:
    names = folder / "names"
    names.write_text("sub/b.txt\n\na.txt\n")
    assert keys(find_files([], folder, names)) == ["sub/b.txt", "a.txt"]


def test_a_list_with_missing_files_is_refused_whole(folder: Path) -> None:
    names = folder / "names"
    names.write_text("a.txt\nb.txt\nc.txt\n")
    with pytest.raises(InvalidRequest, match=r"2 files of the 3 .*: b\.txt, c\.txt"):
        find_files([], folder, names)


def test_two_files_under_one_key_are_refused(folder: Path) -> None:
    (folder / "sub" / "a.txt").write_text("another")
    with pytest.raises(InvalidRequest, match=r"would both have the key 'a\.txt'"):
        find_files([folder / "a.txt", folder / "sub" / "a.txt"], None, None)


def test_a_file_named_twice_is_uploaded_once(folder: Path) -> None:
    assert keys(find_files([folder, folder / "a.txt"], None, None)).count("a.txt") == 1


@pytest.mark.parametrize("missing", [["nowhere"], []])
def test_nothing_to_upload_is_an_error(missing: list[str], tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest):
        find_files([tmp_path / name for name in missing], None, None)


def test_a_path_outside_the_root_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidRequest, match="is not under"):
        find_files([folder / "a.txt"], folder / "sub", None)


def test_a_name_that_is_not_utf8_still_gets_a_key(tmp_path: Path) -> None:
    Path(str(tmp_path) + "/\udcff.txt").write_text("x")
    (file,) = find_files([tmp_path], None, None)
    assert file.key == "\ufffd.txt"


def test_calls_stay_within_their_bounds() -> None:
    small = [LocalFile(Path("x"), str(n), 10) for n in range(120)]
    assert [len(batch) for batch in batches(small)] == [FILES_A_CALL, FILES_A_CALL, 20]
    sizes = [BYTES_A_CALL * 2, 10, BYTES_A_CALL - 10, 1]
    files = [LocalFile(Path("x"), str(n), size) for n, size in enumerate(sizes)]
    assert [[file.size for file in batch] for batch in batches(files)] == [sizes[:1], sizes[1:3], sizes[3:]]
