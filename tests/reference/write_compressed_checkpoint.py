"""Writes tests/golden/tiny_deflated.pth: tiny_state_dict.pth as it is when somebody has packed it again, with deflated
entries. By Python's zipfile, and no PyTorch."""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

golden = Path(__file__).parent.parent / "golden"

with ZipFile(golden / "tiny_state_dict.pth") as stored, ZipFile(golden / "tiny_deflated.pth", "w") as out:
    for name in stored.namelist():
        out.writestr(ZipInfo(name), stored.read(name), ZIP_DEFLATED, compresslevel=9)
