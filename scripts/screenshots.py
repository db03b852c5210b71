"""Makes the pictures of docs/img/ again: the status page in a few scenes, in Debian's Chromium. See scripts/make-screenshots."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/integration"))

from support.browser import Browser, Scene  # noqa: E402

# file, scene, width, height (None: all of it), dark
PICTURES = [
    ("status-page.png", "busy", 1280, 1150, False),
    ("status-page-dark.png", "many", 1280, 1150, True),
    ("status-page-phone.png", "busy", 390, 1500, False),
]


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    browser = Browser()
    try:
        for scene_name in dict.fromkeys(picture[1] for picture in PICTURES):
            with Scene(scene_name) as scene:
                for file, _, width, height, dark in (picture for picture in PICTURES if picture[1] == scene_name):
                    page = browser.page(width, 900, dark)
                    page.open_status(scene)
                    (folder / file).write_bytes(page.picture(height))
                    page.close()
                    subprocess.run(["pngquant", "--force", "--skip-if-larger", "--ext", ".png", str(folder / file)], check=False)
                    print(f"{file}: {(folder / file).stat().st_size} bytes")
    finally:
        browser.end()


if __name__ == "__main__":
    main()
