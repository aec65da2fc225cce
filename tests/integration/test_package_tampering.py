"""Whatever is changed in a package on its way, the receiver refuses it and names what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tamper_kit import Scene, examine, make_scene, mutations, thaw

from dagster_project.protocol.site_card import read_card

LEAST = 500
FEW = 9
"""Which part of all mutations is made at every change of the programme; the rest thoroughly."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A city, a registered county and its sealed package."""
    return make_scene(tmp_path_factory.mktemp("sites"))


def refused(scene: Scene, work: Path, part: slice) -> int:
    """Make mutations one by one; each must be refused with a sentence that names its file."""
    chosen = mutations(scene.folder)[part]
    for what, named, mutate in chosen:
        copy = thaw(scene.folder, work)
        mutate(copy)
        verdict = examine(copy, work, scene.card)
        assert not verdict.genuine, what
        assert any(named in fault for fault in verdict.faults), (what, verdict.faults)
    return len(chosen)


def test_the_untouched_package_is_sound(scene: Scene, tmp_path: Path) -> None:
    """Without a change there is no fault, so the refusals below mean something."""
    verdict = examine(scene.folder, tmp_path, scene.card)
    assert (verdict.genuine, verdict.faults, verdict.remarks) == (True, [], [])


def test_a_part_of_all_changes_is_refused(scene: Scene, tmp_path: Path) -> None:
    """Some of the changes below, spread over all of them."""
    assert refused(scene, tmp_path, slice(0, None, FEW)) >= LEAST / FEW


@pytest.mark.thorough
def test_every_change_is_refused_with_its_reason(scene: Scene, tmp_path: Path) -> None:
    """More than five hundred: bytes, values, types, keys, lines, files; each is named."""
    made = refused(scene, tmp_path, slice(None))
    assert made >= LEAST, f"only {made} mutations"
    assert examine(scene.folder, tmp_path, scene.card).genuine


def test_a_hard_link_is_only_a_file(scene: Scene, tmp_path: Path) -> None:
    """A name that shares its bytes with another file is copied, so that nothing is shared here."""
    copy = thaw(scene.folder, tmp_path)
    os.link(copy / "status.json", tmp_path / "elsewhere")
    verdict = examine(copy, tmp_path, scene.card)
    assert verdict.genuine
    assert (tmp_path / "copy" / "status.json").stat().st_nlink == 1


def test_a_signature_of_another_site_counts_for_nothing(scene: Scene, tmp_path: Path) -> None:
    """A package that another registered site signed is refused: its key is not this county's."""
    verdict = examine(scene.folder, tmp_path, read_card(scene.city.home.public_file))
    assert "not registered" in verdict.faults[0]


@pytest.mark.parametrize(
    "name",
    [
        "140321-population_by_town-20230601-r1",
        "140321-population_by_town-20230531-r2",
        "140321-house_by_town-20230531-r1",
        "140321-population_by_town-20230531-r1 ",
        "x",
    ],
)
def test_a_renamed_folder_is_refused(scene: Scene, tmp_path: Path, name: str) -> None:
    """The folder's name is part of what is checked."""
    verdict = examine(scene.folder, tmp_path, scene.card, name=name)
    assert "header package_id" in verdict.faults[0]
    assert "another name" in verdict.faults[0]
