"""Cuts symbols and debugging information off the libraries of a folder: ``cut.py SITE-PACKAGES``.

The loader reads what the program headers name; symbol tables, debugging information and the table
of sections come behind it in most wheels. It imports only the standard library, and needs no
``strip``, which a slim base image does not have.
"""

import struct
import sys
from pathlib import Path

_ELF = b"\x7fELF\x02\x01"
"""64 bits, little-endian."""
_KEPT = ("torch", "triton", "nvidia")


def cut(site: Path) -> int:
    """Shorten the libraries below a folder, but for torch and its own; bytes that were cut off."""
    found = [path for path in sorted(site.rglob("*.so*")) if _is_ours(path, site)]
    return sum(_shortened(path) for path in found)


def _is_ours(path: Path, site: Path) -> bool:
    return (
        path.is_file()
        and not path.is_symlink()
        and not path.relative_to(site).parts[0].startswith(_KEPT)
    )


def _shortened(path: Path) -> int:
    with path.open("r+b") as file:
        head = file.read(64)
        if len(head) < 64 or not head.startswith(_ELF):
            return 0
        (table,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(table)
        headers = file.read(size * count)
        end = table + len(headers)
        for at in range(0, len(headers), size):
            # Offset and length of a segment in the file.
            end = max(end, sum(struct.unpack_from("<Q16xQ", headers, at + 8)))
        cut_off: int = path.stat().st_size - end
        if cut_off <= 0:
            return 0
        file.truncate(end)
        # No table of sections: its offset, and size, count and names at the head's end.
        file.seek(40)
        file.write(bytes(8))
        file.seek(58)
        file.write(bytes(6))
        return cut_off


if __name__ == "__main__":
    sys.stdout.write(f"{cut(Path(sys.argv[1])) / 1e6:.1f} MB cut off\n")
