"""``site.yaml`` and the commands that write it: a wrong value is named, with its file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from dagster_project.errors import UsageError
from dagster_project.paths import Home
from dagster_project.settings import Settings, Site, load_settings, load_site, save_site


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("code: '14032'\nname: 平定县\n", "code: "),
        ("code: '140321'\nname: 平定县\ninbax: in\n", "inbax: "),
        ("code: [\n", "not valid YAML"),
        ("", "not valid"),
    ],
)
def test_a_wrong_description_names_the_word(tmp_path: Path, text: str, says: str) -> None:
    """Which word of which file, and never a traceback."""
    home = Home(tmp_path)
    home.site_file.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=f"site.yaml: .*{says}"):
        load_site(home)


def test_every_wrong_setting_is_named_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Line or variable, what is wrong, and the nearest right name; never the value."""
    home = Home(tmp_path)
    monkeypatch.setenv("COUNTYLAKE_LOCK_TIMEOUT_S", "-71")
    home.site_file.write_text(
        "code: '140321'\nname: 平定县\nsettings:\n  treads: 3\n  threads: many\n", "utf-8"
    )
    with pytest.raises(UsageError) as caught:
        load_settings(home)
    said = str(caught.value)
    assert "site.yaml:4: `treads` is no setting; the nearest right one is `threads`" in said
    assert "site.yaml:5: `threads` is not valid" in said
    assert "the environment: `COUNTYLAKE_LOCK_TIMEOUT_S` is not valid" in said
    assert "many" not in said
    assert "-71" not in said


@pytest.mark.parametrize("text", ["settings: 3\n", "settings: [threads]\n"])
def test_a_section_that_holds_no_words_is_named(tmp_path: Path, text: str) -> None:
    """Its line is told."""
    home = Home(tmp_path)
    home.site_file.write_text(f"code: '140321'\nname: 平定县\n{text}", "utf-8")
    with pytest.raises(UsageError, match=r"site\.yaml:3: `settings` holds no words"):
        load_settings(home)


def test_a_home_keeps_its_settings_when_it_is_written_again(tmp_path: Path) -> None:
    """And says nothing of them when it has none; an empty variable is no setting."""
    home = Home(tmp_path)
    assert load_settings(home) == Settings() == load_settings()
    save_site(home, Site(code="140321", name="平定县"))
    assert "settings" not in home.site_file.read_text("utf-8")
    save_site(home, Site(code="140321", name="平定县", settings={"threads": 2}))
    save_site(home, load_site(home))
    assert load_settings(home).threads == 2


@pytest.mark.parametrize(("role", "duties"), [("county", ("collect",)), ("city", ("receive",))])
def test_an_older_home_keeps_its_duty(role: str, duties: tuple[str, ...]) -> None:
    """A home that says what it is by its role does what it did."""
    assert Site.model_validate({"code": "140321", "name": "平定县", "role": role}).duties == duties
    with pytest.raises(ValidationError):
        Site.model_validate({"code": "140321", "name": "平定县", "role": "province"})
