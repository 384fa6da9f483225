"""Where files may be written."""

from pathlib import Path

import pytest

from trueup.model.errors import Refused
from trueup.runtimes.host.ground import Ground, fits, folder_of, remove_empty


@pytest.mark.parametrize(
    ("path", "glob", "fit"),
    [
        ("uploads/cat.jpg", "uploads/*", True),
        ("uploads/2024/cat.jpg", "uploads/*", False),
        ("uploads/2024/cat.jpg", "uploads/**", True),
        ("a/b/c.db", "**/*.db", True),
        ("a.db", "?.db", True),
        ("a/db", "a?db", False),
        ("a+b", "a+b", True),
        ("aab", "a+b", False),
    ],
)
def test_a_star_stays_in_its_folder(path: str, glob: str, fit: bool) -> None:
    assert fits(path, [glob]) is fit


def test_a_relative_path_is_below_the_application(tmp_path: Path) -> None:
    spot = Ground(tmp_path).spot("shop", "conf/app.ini")
    assert spot.path == str(tmp_path / "shop/conf/app.ini")
    with folder_of(spot, make=True):
        assert (tmp_path / "shop/conf").is_dir()
    remove_empty(spot)
    assert list((tmp_path / "shop").iterdir()) == []


def test_an_absolute_path_is_allowed_by_name_only(tmp_path: Path) -> None:
    ground = Ground(tmp_path / "root", (f"{tmp_path}/etc/*",))
    assert ground.spot("shop", f"{tmp_path}/etc/motd").path == f"{tmp_path}/etc/motd"
    with pytest.raises(Refused) as refused:
        ground.spot("shop", f"{tmp_path}/var/motd")
    assert "allowPaths" in refused.value.hint


def test_an_absolute_path_whose_folder_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/link").symlink_to(tmp_path / "secret")
    with pytest.raises(Refused, match="leads to"):
        Ground(tmp_path / "root", (f"{tmp_path}/etc/**",)).spot("shop", f"{tmp_path}/etc/link/key")


@pytest.mark.parametrize("planted", ["link", "file"])
def test_no_link_and_no_file_is_followed_on_the_way(tmp_path: Path, planted: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "shop").mkdir()
    if planted == "link":
        (tmp_path / "shop/conf").symlink_to(tmp_path / "outside")
    else:
        (tmp_path / "shop/conf").touch()
    spot = Ground(tmp_path).spot("shop", "conf/deep/app.ini")
    with pytest.raises(Refused, match="not a folder but a link or a file"), folder_of(spot, make=True):
        pass
    assert list((tmp_path / "outside").iterdir()) == []
