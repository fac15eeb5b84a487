"""The formats of sounds: one table that suffixes and media types follow from, and their headers.

Only these four are handed to the decoder, after a look at the first bytes: libsndfile knows many
more formats, which are rare, have no published limits and are seldom examined.

Source: RIFF WAVE (IBM and Microsoft 1991) with RF64 (EBU Tech 3306, 2009); FLAC (RFC 9639); Ogg
(RFC 3533); header of MPEG audio, ISO/IEC 11172-3:1993, 2.4.1.3.
"""

MEDIA_TYPES = {
    ".wav": "audio/wav",
    ".wave": "audio/wav",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".mp3": "audio/mpeg",
}
NAMES = "WAV, FLAC, OGG (Vorbis or Opus) or MP3"
_CONVERT = "convert it, as `ffmpeg -i FILE FILE.flac` does"
UNREAD = {
    **dict.fromkeys((".aac", ".ac3", ".alac", ".amr", ".ape", ".au", ".caf", ".dsf"), _CONVERT),
    **dict.fromkeys((".aif", ".aifc", ".aiff", ".gsm", ".m4a", ".m4b", ".mka", ".mp2"), _CONVERT),
    **dict.fromkeys((".ra", ".snd", ".spx", ".voc", ".w64", ".wma", ".wv"), _CONVERT),
    **dict.fromkeys((".mid", ".midi"), "it holds notes and no sound; render it as WAV"),
    **dict.fromkeys(
        (".avi", ".flv", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"),
        "extract its sound, as `ffmpeg -i FILE -vn FILE.flac` does",
    ),
}
"""Suffixes of sounds and films that are not read, and what to do about each."""
_UNKNOWN_SIZES = {0, 0xFFFFFFFF, 0x7FFFFFFF + 36, 0x7FFFFFFF}
"""What programs write that cannot go back to the header, as at the end of a pipe."""


def named(data: bytes) -> str | None:
    """The format that the first bytes claim, whether or not the rest can be read."""
    if data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE":
        return "WAV"
    if data[:4] == b"fLaC":
        return "FLAC"
    if data[:4] == b"OggS":
        return "OGG"
    return "MP3" if data[:3] == b"ID3" or _is_layer_3(data[:3]) else None


def _is_layer_3(head: bytes) -> bool:
    """Whether three bytes start a frame of MPEG audio layer III with a bit rate and a rate."""
    if len(head) < 3 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return False
    version, rate_of_bits, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and rate_of_bits not in (0, 15) and rate != 3


def is_cut(data: bytes) -> bool:
    """Whether a WAV file is shorter than its header says; the other formats' decoders notice."""
    said = int.from_bytes(data[4:8], "little")
    return data[:4] == b"RIFF" and said not in _UNKNOWN_SIZES and 8 + said > len(data) + 1
