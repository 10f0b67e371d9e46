"""Every word of the interface has its translation."""

import bpy
import pytest

import int_blender_addon
from int_blender_addon import text
from int_blender_addon.registration import _CLASSES
from int_blender_addon.translations import TRANSLATIONS


@pytest.fixture
def registered(empty_scene):
    int_blender_addon.register()
    yield
    int_blender_addon.unregister()


def words() -> set[tuple[str, str]]:
    """(context, English) of labels, explanations, properties and their choices."""
    found: set[tuple[str, str]] = {("*", word) for word in (*text.STAGES.values(), text.TRAVELLING)}
    for cls in _CLASSES:
        button = issubclass(cls, bpy.types.Operator)
        if label := getattr(cls, "bl_label", ""):
            found.add(("Operator" if button else "*", label))
        if button:
            found.add(("*", cls.__doc__))
        for name in cls.__annotations__:
            item = cls.bl_rna.properties.get(name)
            if item is None or item.is_hidden or item.name == name:  # a name of its own: it is shown
                continue
            found |= {("*", item.name), ("*", item.description)}
            if item.type == "ENUM":
                found |= {("*", word) for choice in item.enum_items for word in (choice.name, choice.description)}
    return {(context, word) for context, word in found if word and not word.isspace()}


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_every_word_is_translated(registered, language: str) -> None:
    ours = {pair for pair in words() if pair[1] not in {"Filter Glob", "File Path", "Filepath", "Number"}}
    assert ours - set(TRANSLATIONS[language]) == set()


def test_blender_speaks_it(registered) -> None:
    view = bpy.context.preferences.view
    before = view.language
    try:
        view.language = "de_DE"
    except TypeError:
        pytest.skip("this Blender has no other languages")
    view.use_translate_interface = True
    try:
        assert bpy.app.translations.pgettext_iface("Capture from video", "Operator") == "Aus Video aufnehmen"
    finally:
        view.language = before
