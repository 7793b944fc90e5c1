"""
The translations: every text of the code stands in its catalogue, translated and compiled.

The texts are read from the code's syntax tree, so that this needs no GNU gettext.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import polib
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("accounts", "authsvc")
# How many texts each function takes: the plural's second one is the entry's msgid_plural.
FUNCTIONS = {"gettext": 1, "gettext_lazy": 1, "gettext_noop": 1, "ngettext": 2, "ngettext_lazy": 2}
# What Django makes of a template for xgettext to read.
CALL = re.compile(r"gettext\((u?'(?:[^'\\]|\\.)*')(?:, (u?'(?:[^'\\]|\\.)*'))?")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w*\}")

Text = tuple[str, ...]


def main() -> int:
    """Print what is wrong with the catalogues; return 1 if anything is."""
    found = [problem for package in PACKAGES for problem in problems(package)]
    print(*found, sep="\n", end="\n" if found else "")
    return int(bool(found))


def problems(package: str) -> list[str]:
    """Return a line for each thing wrong with the catalogue of ``package``."""
    catalogue = polib.pofile(str(path_of(package, "po")))
    compiled = polib.mofile(str(path_of(package, "mo")))
    texts, known = set(texts_of(ROOT / package)), {_key(entry) for entry in catalogue}
    return [
        *(f"{package}: not in the catalogue: {text}" for text in sorted(texts - known)),
        *(f"{package}: not in the code: {text}" for text in sorted(known - texts)),
        *(f"{package}: {entry.msgid!r} {what}" for entry in catalogue for what in _wrong(entry)),
        *([] if _translations(catalogue) == _translations(compiled) else [f"{package}: compile"]),
    ]


def path_of(package: str, suffix: str) -> Path:
    """Return where the catalogue is, or its compiled form."""
    return ROOT / package / "locale" / "zh_Hans" / "LC_MESSAGES" / f"django.{suffix}"


def texts_of(folder: Path) -> Iterator[Text]:
    """Yield each text of the modules and templates in ``folder``, with its plural if it has one."""
    for path in [*folder.rglob("*.html"), *folder.rglob("templates/**/*.txt")]:
        for call in CALL.finditer(templatize(path.read_text(encoding="utf-8"))):
            yield tuple(ast.literal_eval(text) for text in call.groups() if text)
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            name.asname or name.name: FUNCTIONS[name.name]
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "django.utils.translation"
            for name in node.names
            if name.name in FUNCTIONS
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                arguments = node.args[: imported.get(node.func.id, 0)]
                # A variable stands for a text of another catalogue. Anything else that is no
                # literal, such as an f-string, could be in none: an error here.
                if arguments and not isinstance(arguments[0], ast.Name):
                    yield tuple(str(ast.literal_eval(argument)) for argument in arguments)


def _key(entry: polib.POEntry | polib.MOEntry) -> Text:
    return (entry.msgid, entry.msgid_plural) if entry.msgid_plural else (entry.msgid,)


def _wrong(entry: polib.POEntry) -> Iterator[str]:
    translated = [entry.msgstr, *entry.msgstr_plural.values()]
    written = [text for text in translated if text]
    if entry.fuzzy or entry.obsolete or not written:
        yield "is fuzzy, obsolete or not translated"
    wanted = set(PLACEHOLDER.findall(entry.msgid))
    if any(set(PLACEHOLDER.findall(text)) != wanted for text in written):
        yield "has other placeholders in its translation"


def _translations(catalogue: polib.POFile | polib.MOFile) -> dict[Text, object]:
    return {_key(entry): (entry.msgstr, entry.msgstr_plural) for entry in catalogue}


if __name__ == "__main__":
    sys.exit(main())
