# SPDX-License-Identifier: GPL-2.0
"""Files of captured Ethernet frames, in the format of libpcap."""

import struct

MAGIC, LINKTYPE_ETHERNET = 0xA1B2C3D4, 1
SNAPLEN = 0x40000
FILE = struct.Struct("=IHHiIII")
RECORD = struct.Struct("=IIII")


def write(path, frames, kept=None):
    """
    Write frames to a file, a millisecond after each other; kept: how many bytes are there of each,
    as if the others had not been captured.
    """
    with open(path, "wb") as file:
        file.write(FILE.pack(MAGIC, 2, 4, 0, 0, SNAPLEN, LINKTYPE_ETHERNET))
        for number, frame in enumerate(frames):
            seconds, milliseconds = divmod(number, 1000)
            data = frame[: kept[number]] if kept else frame
            file.write(RECORD.pack(seconds, milliseconds * 1000, len(data), len(frame)))
            file.write(data)


def read(path):
    """The frames of a file that was written on a machine of the same byte order."""
    with open(path, "rb") as file:
        data = file.read()
    magic, *_, linktype = FILE.unpack_from(data)
    if (magic, linktype) != (MAGIC, LINKTYPE_ETHERNET):
        raise ValueError(f"{path}: not a capture of Ethernet in our format")
    frames, position = [], FILE.size
    while position < len(data):
        _, _, size, _ = RECORD.unpack_from(data, position)
        position += RECORD.size
        frames.append(data[position : position + size])
        position += size
    return frames
