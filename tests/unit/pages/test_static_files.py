"""The stylesheets and scripts that the pages name are there, whichever apps are left out."""

import re
from pathlib import Path

import neural

PACKAGE = Path(neural.__file__).parent
NAMED = re.compile(r"""["'](neural(?:_\w+)?/[\w./-]+\.(?:css|js))["']""")


def named() -> set[tuple[Path, str]]:
    """Files of the package with what they name."""
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.html")]
    return {(path, name) for path in files for name in NAMED.findall(path.read_text())}


def app_of(path: Path) -> Path:
    """The innermost folder above a file that has static files of its own."""
    return next(folder for folder in path.parents if (folder / "static").is_dir())


def test_a_page_names_static_files_of_the_core_and_of_its_own_app_alone():
    homeless = {
        (str(path.relative_to(PACKAGE)), name)
        for path, name in named()
        if not any((home / "static" / name).is_file() for home in {PACKAGE, app_of(path)})
    }

    assert len({name for _, name in named()}) > 3
    assert homeless == set()
