"""What people read of errors."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest

from services.errors import in_words

UNIX = PurePosixPath("/srv/scripts (1)/data")
WINDOWS = PureWindowsPath("D:\\Scriptorium\\data")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"10 MB are needed at {UNIX} and 1 MB is free.",
            "10 MB are needed on {} and 1 MB is free.",
        ),
        (f"No room to write “a.json” in {UNIX}/results/1f.", "No room to write “a.json” on {}."),
        (f"No room to write “a” in {WINDOWS}\\temp\\ws-1.", "No room to write “a” on {}."),
        (f"{UNIX}/temp/a.b is locked.", "{} is locked."),
        (f"In {UNIX}-2 and {UNIX}base.", f"In {UNIX}-2 and {UNIX}base."),
        ("No room in /mnt/share.", "No room in /mnt/share."),
    ],
)
def test_a_path_of_the_server_is_said_in_words(text, said):
    assert in_words(text, [UNIX / "temp", UNIX, WINDOWS]) == said.format("the server's disk")
