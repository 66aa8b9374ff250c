from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage.images import check_output, open_image, write_image
from storage.images.target import check_apart, real_target
from tests.storage.images.files import blocks, info_of, picture, write_raster


def same(folder: Path, how: str) -> str:
    """Another name of ``folder``/in.png."""
    if how == "link":
        (folder / "out.png").symlink_to("in.png")
    elif how == "link of a link":
        (folder / "a.png").symlink_to(folder / "in.png")
        (folder / "out.png").symlink_to("a.png")
    elif how == "hard link":
        os.link(folder / "in.png", folder / "out.png")
    elif how == "up and down":
        (folder / "deep").mkdir()
        return str(folder / "deep/../in.png")
    elif how == "linked folder":
        (folder / "deep").symlink_to(folder)
        return str(folder / "deep/in.png")
    else:
        return str(folder / "in.png")
    return str(folder / "out.png")


@pytest.mark.parametrize("how", ["same", "link", "link of a link", "hard link", "up and down", "linked folder"])
def test_no_input_is_replaced(tmp_path: Path, how: str) -> None:
    (tmp_path / "in.png").touch()
    target = same(tmp_path, how)
    with pytest.raises(ValueError, match="which this command reads"):
        check_output(target, overwrite=True, inputs=[None, "s3://bucket/in.png", tmp_path / "in.png"])


def test_nor_by_a_sidecar_nor_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out.png.aux.xml").touch()
    with pytest.raises(ValueError, match="which this command reads"):
        check_apart(tmp_path / "out.png", [tmp_path / "out.png.aux.xml"])
    (tmp_path / "model").mkdir()
    check_apart(tmp_path / "model/out.png", [tmp_path / "model"])
    (tmp_path / "model/out.png").touch()
    with pytest.raises(ValueError, match="a file in"):
        check_apart(tmp_path / "model/out.png", [tmp_path / "model"])


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_a_link_is_written_through(tmp_path: Path, suffix: str, there: bool) -> None:
    (tmp_path / "disk").mkdir()
    link, real = tmp_path / f"out{suffix}", tmp_path / f"disk/real{suffix}"
    link.symlink_to(f"disk/real{suffix}")
    if there:
        real.write_text("old")
        with pytest.raises(FileExistsError, match="real"):
            check_output(link, overwrite=False)
    pixels = picture(16, 16)
    write_image(link, info_of(pixels), 1, blocks(pixels, 8), height=16, width=16, overwrite=there)
    assert link.is_symlink()
    assert {path.name for path in (tmp_path / "disk").iterdir()} == {real.name}
    with open_image(real) as source:
        assert source.info.height == 16


def test_links_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("b.png")
    (tmp_path / "b.png").symlink_to("a.png")
    with pytest.raises(OSError, match="circle"):
        check_output(tmp_path / "a.png", overwrite=True)


def test_a_link_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("gone/b.png")
    with pytest.raises(FileNotFoundError, match="gone"):
        check_output(tmp_path / "a.png", overwrite=True)


def test_a_name_too_long(tmp_path: Path) -> None:
    assert real_target(tmp_path / f"{'n' * 241}.png")
    for name in (f"{'n' * 242}.png", "\u00e9" * 121 + ".png"):
        with pytest.raises(ValueError, match=r"246 bytes.* 245 beside"):
            check_output(tmp_path / name, overwrite=False)


def test_side_files_of_an_older_picture_are_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "out.tif.ovr").touch()
    with pytest.raises(FileExistsError, match=r"out\.tif\.ovr exists"):
        check_output(tmp_path / "out.tif", overwrite=False)
    check_output(tmp_path / "out.tif", overwrite=False, inputs=[tmp_path / "out.tif.ovr"])


def test_an_input_beside_the_output_keeps_its_side_files(tmp_path: Path) -> None:
    """scene.tif becomes scene.tiff: one world file is named as both would be."""
    pixels = picture(16, 16)
    write_raster(tmp_path / "scene.tif", pixels)
    (tmp_path / "scene.tfw").write_text("10\n0\n0\n-10\n0\n0\n")
    with open_image(tmp_path / "scene.tif") as source:
        write_image(tmp_path / "scene.tiff", source.info, 1, blocks(pixels, 8), height=16, width=16, overwrite=True)
    assert (tmp_path / "scene.tfw").exists()


def test_no_input_is_replaced_that_looks_like_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``a://in.png`` is the file in.png in the folder a:, and a file:// address is a folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:").mkdir()
    (tmp_path / "a:/in.png").touch()
    for source in ("a://in.png", f"file://{tmp_path}/a:", f"FILE://localhost{tmp_path}/a%3A"):
        with pytest.raises(ValueError, match="which this command reads"):
            check_output("a:/in.png", overwrite=True, inputs=[source])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("how", ["itself", "link"])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, how: str) -> None:
    """A pipe stands for all devices: a link to /dev/null must not lead to its end."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "link.png").symlink_to("pipe.png")
    target = tmp_path / ("pipe.png" if how == "itself" else "link.png")
    with pytest.raises(ValueError, match="a pipe or a device"):
        check_output(target, overwrite=True)
    pixels = picture(4, 4, 3)
    with pytest.raises(ValueError, match="a pipe or a device"):
        write_image(target, info_of(pixels), 1, blocks(pixels, 2), height=4, width=4, overwrite=True)
    assert (tmp_path / "pipe.png").is_fifo()
