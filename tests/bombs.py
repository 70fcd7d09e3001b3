# SPDX-License-Identifier: BSD-2-Clause
"""Small files that claim to be large: each makes a careless parser compute or allocate far beyond
its own size. BOMBS: name -> bytes, all made here, none over MAX_BYTES."""
import random
import struct
import zlib

MAX_BYTES = 256 << 10
HUGE = 0xfffffff0
MANY = 60_000_000  # times a demuxer's 24 bytes of index: 1.4 GB


def u16(*values):
    return struct.pack(f">{len(values)}H", *values)


def u32(*values):
    return struct.pack(f">{len(values)}I", *values)


def u64(*values):
    return struct.pack(f">{len(values)}Q", *values)


def le32(*values):
    return struct.pack(f"<{len(values)}I", *values)


# --- MP4 -------------------------------------------------------------------------------------

MATRIX = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def box(kind, *parts, size=None):
    body = b"".join(parts)
    return u32(8 + len(body) if size is None else size) + kind.encode() + body


def full(kind, *parts, flags=0, size=None):
    return box(kind, u32(flags), *parts, size=size)


def sample_entry():
    return box("mp4v", bytes(6), u16(1), bytes(16), u16(320, 240), u32(0x480000, 0x480000, 0),
               u16(1), bytes(32), u16(24, 0xffff))


def table(samples, size=1, stts=None, stsd=None, stsc=None, stsz=None, stco=None, more=b""):
    return box("stbl", stsd or full("stsd", u32(1), sample_entry()),
               stts or full("stts", u32(1, samples, 1)),
               stsc or full("stsc", u32(1, 1, samples, 1)),
               stsz or full("stsz", u32(size, samples)),
               stco or full("stco", u32(1, 40)), more)


def track(number, stbl, edits=b"", samples=1000, more=b""):
    header = full("tkhd", u32(0, 0, number, 0, 1000, 0, 0), bytes(8), MATRIX,
                  u32(320 << 16, 240 << 16), flags=3)
    media = box("mdia", full("mdhd", u32(0, 0, 12800, samples), u16(0x55c4, 0)),
                full("hdlr", u32(0), b"vide", bytes(12), b"v\0"),
                box("minf", full("vmhd", bytes(8), flags=1),
                    box("dinf", full("dref", u32(1), full("url ", flags=1))), stbl))
    return box("trak", header, edits, media, more)


def mp4(*tracks, more=b"", after=b""):
    header = full("mvhd", u32(0, 0, 1000, 1000, 0x10000), u16(0x100), bytes(10), MATRIX, bytes(24),
                  u32(len(tracks) + 1))
    return (box("ftyp", b"isom", u32(512), b"isomavc1") + box("moov", header, *tracks, more) + after
            + box("mdat", bytes(64)))


def fragments(runs, count, flags=0x001):
    """Runs that give no size of their own, so that a count costs nothing."""
    extends = box("mvex", full("trex", u32(1, 1, 512, 1, 0)))
    run = full("trun", u32(count), u32(8) if flags & 1 else b"", flags=flags)
    moof = box("moof", full("mfhd", u32(1)),
               box("traf", full("tfhd", u32(1), flags=0x020000), *[run] * runs))
    return mp4(track(1, table(0)), more=extends, after=moof)


def edit_list(entries, samples):
    edits = box("edts", full("elst", u32(entries),
                             *[u32(1000, 0, 0x10000)] * min(entries, 10_000)))
    return mp4(track(1, table(samples), edits=edits, samples=samples))


def compressed_index(claimed):
    body = zlib.compress(bytes(1 << 20))
    return (box("ftyp", b"qt  ", u32(512), b"qt  ")
            + box("moov", box("cmov", box("dcom", b"zlib"), box("cmvd", u32(claimed), body))))


def nested(depth):
    body = b""
    for _ in range(depth):
        body = box("moov", body)
    return box("ftyp", b"isom", u32(512), b"isom") + body


def mp4_bombs():
    yield "mp4-667", mp4(track(1, table(MANY)))
    yield "mp4-4-tracks", mp4(*[track(n, table(4_000_000)) for n in range(1, 5)])
    yield "mp4-16-tracks", mp4(*[track(n, table(1_000_000)) for n in range(1, 17)])
    yield "mp4-500-tracks", mp4(*[track(n, table(10)) for n in range(1, 500)])
    yield "mp4-stsz-table", mp4(track(1, table(4, stsz=full("stsz", u32(0, 100_000_000)))))
    yield "mp4-stsz-short", mp4(track(1, table(4, stsz=full("stsz", u32(0, HUGE)))))
    yield "mp4-stts-count", mp4(track(1, table(1000, stts=full("stts", u32(1, HUGE, HUGE)))))
    yield "mp4-stts-entries", mp4(track(1, table(1000, stts=full("stts", u32(HUGE)))))
    yield "mp4-ctts-count", mp4(track(1, table(4_000_000, more=full("ctts", u32(1, HUGE, 1)))))
    yield "mp4-ctts-entries", mp4(track(1, table(10, more=full("ctts", u32(HUGE, 1, 1)))))
    yield "mp4-stco-entries", mp4(track(1, table(10, stco=full("stco", u32(HUGE)))))
    yield "mp4-co64-entries", mp4(track(1, table(10, stco=full("co64", u32(0x1fffffff)))))
    yield "mp4-stsc-entries", mp4(track(1, table(10, stsc=full("stsc", u32(HUGE)))))
    yield "mp4-stsc-samples", mp4(track(1, table(1, stsc=full("stsc", u32(1, 1, HUGE, 1)))))
    yield "mp4-stsd-entries", mp4(track(1, table(10, stsd=full("stsd", u32(HUGE), sample_entry()))))
    yield "mp4-stss-entries", mp4(track(1, table(4_000_000, more=full("stss", u32(HUGE, 1)))))
    yield "mp4-sgpd", mp4(track(1, table(10, more=full("sgpd", b"rap ", u32(1, HUGE)))))
    yield "mp4-sbgp", mp4(track(1, table(
        4_000_000, more=full("sbgp", b"rap ", u32(2, HUGE, 1, HUGE, 1)))))
    yield "mp4-sdtp", mp4(track(1, table(10, more=full("sdtp", size=0x7fffffff))))
    yield "mp4-elst-loops", edit_list(200, 650_000)
    yield "mp4-elst-entries", edit_list(0x10000000, 1000)
    yield "mp4-trun", fragments(1, MANY)
    yield "mp4-trun-4", fragments(4, 4_000_000)
    yield "mp4-trun-200", fragments(200, 600_000)
    yield "mp4-trun-plain", fragments(1, HUGE, flags=0)
    yield "mp4-saiz", mp4(track(1, table(10, more=full("saiz", b"\1", u32(HUGE)))))
    yield "mp4-senc", mp4(track(1, table(10), more=full("senc", u32(HUGE), flags=2)))
    yield "mp4-sidx", mp4(track(1, table(10)),
                          after=full("sidx", u32(1, 12800, 0, 0), u16(0, 0xffff)))
    yield "mp4-cmov", compressed_index(0x7ffffff0)
    yield "mp4-cmov-200MB", compressed_index(200 << 20)
    yield "mp4-nested", nested(5000)
    yield "mp4-udta", mp4(track(1, table(10)), more=box("udta", box("meta", box(
        "ilst", box("name", box("data", u32(1, 0), size=0x7fffffff))))))


# --- Matroska --------------------------------------------------------------------------------

def ebml(number, *parts, size=None):
    body = b"".join(parts)
    name = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return name + ((1 << 56) | (len(body) if size is None else size)).to_bytes(8, "big") + body


def matroska(*parts):
    head = ebml(0x1a45dfa3, ebml(0x4282, b"matroska"), ebml(0x4287, b"\4"), ebml(0x4285, b"\2"))
    return head + ebml(0x18538067, *parts, size=(1 << 56) - 1)


def matroska_track(*more):
    return ebml(0x1654ae6b, ebml(0xae, ebml(0xd7, b"\1"), ebml(0x73c5, b"\1"), ebml(0x83, b"\1"),
                                 ebml(0x86, b"V_MPEG4/ISO/AVC"), *more,
                                 ebml(0xe0, ebml(0xb0, u16(320)), ebml(0xba, u16(240)))))


def cluster(*blocks):
    return ebml(0x1f43b675, ebml(0xe7, b"\0"), *blocks)


def matroska_bombs():
    compressed = ebml(0x6d80, ebml(0x6240, ebml(0x5034, ebml(0x4254, b"\0"))))
    bomb = zlib.compress(bytes(150 << 20), 9)
    yield "mkv-private", matroska(matroska_track(ebml(0x63a2, size=0x0fffffff)))
    yield "mkv-private-2-40", matroska(matroska_track(ebml(0x63a2, size=1 << 40)))
    yield "mkv-block", matroska(matroska_track(), cluster(ebml(0xa3, b"\x81\0\0\x80",
                                                               size=0x0fffffff)))
    yield "mkv-zlib", matroska(matroska_track(compressed),
                               cluster(ebml(0xa3, b"\x81\0\0\x80", bomb)))
    yield "mkv-lacing", matroska(matroska_track(), cluster(
        *[ebml(0xa3, b"\x81\0\0\x86\xff" + b"\x80" * 255)] * 400))
    yield "mkv-tracks", matroska(ebml(0x1654ae6b, *[ebml(0xae, ebml(0xd7, u16(n)))
                                                     for n in range(1, 6000)]))
    yield "mkv-cues", matroska(matroska_track(), ebml(0x1c53bb6b, *[ebml(0xbb)] * 20_000))
    yield "mkv-attachment", matroska(matroska_track(), ebml(0x1941a469, ebml(
        0x61a7, ebml(0x466e, b"a"), ebml(0x4660, b"font/ttf"), ebml(0x465c, size=0x0ffffff0))))
    yield "mkv-tag", matroska(matroska_track(), ebml(0x1254c367, ebml(0x7373, ebml(
        0x67c8, ebml(0x45a3, b"A"), ebml(0x4487, size=0x0fffffff)))))


# --- the others ------------------------------------------------------------------------------

def chunk(name, *parts, size=None):
    body = b"".join(parts)
    return name + le32(len(body) if size is None else size) + body + b"\0" * (len(body) & 1)


def avi_bombs():
    main = chunk(b"avih", le32(40000, 0, 0, 0x910, HUGE, 0, 1, 0, 320, 240, 0, 0, 0, 0))
    strh = chunk(b"strh", b"vidsXVID", le32(0, 0, 0, 1, 25, 0, HUGE, 0, 0, 0), bytes(8))
    strf = chunk(b"strf", le32(40, 320, 240), struct.pack("<HH", 1, 24), b"XVID", bytes(20))

    def avi(stream, *tail):
        return chunk(b"RIFF", b"AVI ", chunk(b"LIST", b"hdrl", main, chunk(
            b"LIST", b"strl", *stream)), *tail)

    movi = chunk(b"LIST", b"movi", chunk(b"00dc", bytes(64)))
    yield "avi-idx1", avi((strh, strf), movi, chunk(b"idx1", size=HUGE))
    yield "avi-indx", avi((strh, strf, chunk(b"indx", struct.pack("<HBBI", 4, 0, 0, HUGE),
                                             b"00dc", bytes(12))), movi)
    yield "avi-strf", avi((strh, chunk(b"strf", le32(40, 320, 240), size=0x7fffffff)), movi)
    yield "avi-idx1-full", avi((strh, strf), movi, chunk(
        b"idx1", (b"00dc" + le32(16, 4, 8)) * 15_000))


def amf_string(text):
    return u16(len(text)) + text


def flv_bombs():
    def flv(*tags):
        return b"FLV\1\5" + u32(9, 0) + b"".join(tags)

    def tag(kind, body, size=None):
        size = len(body) if size is None else size
        return bytes([kind]) + size.to_bytes(3, "big") + bytes(7) + body + u32(size + 11)

    keys = b"\3" + amf_string(b"times") + b"\x0a" + u32(HUGE) + amf_string(b"filepositions") + \
        b"\x0a" + u32(0x0fffffff)
    meta = b"\2" + amf_string(b"onMetaData") + b"\x08" + u32(1) + amf_string(b"keyframes") + keys
    deep = b"\2" + amf_string(b"onMetaData") + b"\x08" + u32(1) + (
        amf_string(b"a") + b"\3") * 20_000
    yield "flv-keyframes", flv(tag(18, meta))
    yield "flv-nested", flv(tag(18, deep))
    yield "flv-tag", flv(tag(9, b"\x17\1\0\0\0", size=0xffffff), tag(9, b"\x17\0\0\0\0" * 9))


def section(table_id, body):
    body = bytes([table_id]) + u16(0xb000 | (len(body) + 9)) + u16(1) + b"\xc1\0\0" + body
    crc = 0xffffffff
    for byte in body:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ (0x04c11db7 if crc & 1 << 31 else 0)) & 0xffffffff
    return body + u32(crc)


def ts_packets(pid, payload):
    first = True
    payload = b"\0" + payload
    while payload:
        part, payload = payload[:184], payload[184:]
        yield (b"\x47" + u16((0x4000 if first else 0) | pid) + b"\x10" + part).ljust(188, b"\xff")
        first = False


def ts_bombs():
    pids = range(32, 32 + 200)
    programs = b"".join(ts_packets(0, section(0, b"".join(u16(n, 0xe000 | n) for n in pids))))
    maps = b"".join(b"".join(ts_packets(pid, section(2, u16(0xe100, 0xf000) + b"".join(
        b"\x1b" + u16(0xe000 | (300 + (pid - 32) * 30 + n), 0xf000) for n in range(30)))))
        for pid in pids)
    yield "ts-6000-streams", programs + maps * 2
    one = b"".join(ts_packets(0, section(0, u16(1, 0xe020)))) + b"".join(ts_packets(
        32, section(2, u16(0xe100, 0xf000) + b"\x1b" + u16(0xe100, 0xf000))))
    start = (b"\x47" + u16(0x4100) + b"\x10" + b"\0\0\1\xe0\0\0\x80\0\0").ljust(188, b"\xaa")
    yield "ts-endless-packet", one + start + (
        b"\x47" + u16(0x100) + b"\x10" + b"\xaa" * 184) * 1300


def ogg_bombs():
    def page(payload, flags=0, number=0):
        sizes = [255] * (len(payload) // 255) + [len(payload) % 255]
        return (b"OggS\0" + bytes([flags]) + bytes(8) + le32(1, number, 0) + bytes([len(sizes)])
                + bytes(sizes) + payload)

    head = b"\1vorbis" + le32(0) + b"\2" + le32(44100, 0, 128000, 0) + b"\xb8\1"
    yield "ogg-comments", page(head, 2) + page(b"\3vorbis" + le32(0, HUGE), 0, 1)
    yield "ogg-vendor", page(head, 2) + page(b"\3vorbis" + le32(0x7fffffff), 0, 1)
    full_page = (b"OggS\1" + bytes(9) + le32(1, 1, 0) + b"\xff" + b"\xff" * 255 + bytes(65025))
    yield "ogg-endless-packet", page(head, 2) + full_page * 3


def sound_bombs():
    def synchsafe(value):
        return bytes(value >> shift & 0x7f for shift in (21, 14, 7, 0))

    frame = b"\xff\xfb\x90\0" + bytes(413)
    picture = b"APIC" + synchsafe(0x0ffffff0) + bytes(2) + b"\0image/png\0\3\0"
    yield "mp3-id3", b"ID3\4\0\0" + synchsafe(0x0fffffff) + picture + frame * 4
    yield "mp3-id3-zlib", b"ID3\3\0\0" + synchsafe(4096) + b"TIT2" + u32(2000) + b"\0\x80" + \
        u32(0x0ffffff0) + zlib.compress(bytes(1 << 20)) + bytes(2048) + frame * 4
    yield "mp3-id3-frames", b"ID3\3\0\0" + synchsafe(230_000) + (
        b"TXXX" + u32(3) + bytes(2) + b"\0a\0") * 17_000 + frame * 4
    yield "wav-fmt", chunk(b"RIFF", b"WAVE", chunk(b"fmt ", struct.pack(
        "<HHIIHH", 1, 2, 44100, 176400, 4, 16), size=0x7fffffff))
    yield "wav-list", chunk(b"RIFF", b"WAVE", chunk(b"fmt ", struct.pack(
        "<HHIIHH", 1, 2, 44100, 176400, 4, 16)), chunk(b"LIST", b"INFO", chunk(
            b"INAM", size=0x0ffffff0)))
    yield "aiff-ssnd", b"FORM" + u32(HUGE) + b"AIFFCOMM" + u32(0x7ffffff0) + u16(2) + u32(HUGE)
    yield "au-note", b".snd" + u32(0x7fffffff, HUGE, 3, 44100, 2)
    yield "caf-pakt", b"caff" + u16(1, 0) + b"desc" + u64(32) + struct.pack(">d", 44100) + \
        b"aac " + u32(0, 0, 1024, 2, 0) + b"pakt" + u64(1 << 40) + u64(1 << 40, 1 << 40) + u32(0, 0)
    yield "flac-picture", b"fLaC\0" + bytes([0, 0, 34]) + u16(4096, 4096) + bytes(6) + \
        b"\x0a\xc4\x42\xf0" + bytes(20) + b"\x86\xff\xff\xff" + u32(3, HUGE)
    yield "ape-frames", b"MAC \x96\x0f\0\0" + le32(52, 24, HUGE >> 4, 44, 0, 0, 0, 0, 0, 0, 0) + \
        bytes(16) + struct.pack("<HHIIIHHI", 2000, 0, 73728, 1, HUGE, 16, 2, 44100)
    yield "tta-frames", b"TTA1" + struct.pack("<HHHIII", 1, 2, 16, 44100, HUGE, 0)
    yield "voc-chunk", b"Creative Voice File\x1a\x1a\0\x0a\1\x29\x11\1\xff\xff\xff\x9c\0"
    yield "w64-fmt", b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0" + struct.pack(
        "<Q", 1 << 60) + b"wave\xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a" + \
        b"fmt \xf3\xac\xd3\x11\x8c\xd1\0\xc0\x4f\x8e\xdb\x8a" + struct.pack("<Q", 1 << 40)


def other_bombs():
    yield "asf-header", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + struct.pack(
        "<QIH", 1 << 50, HUGE, 0x0201) + bytes.fromhex(
            "9107dcb7b7a9cf118ee600c00c205365") + struct.pack("<Q", 1 << 40)
    yield "mxf-index", bytes.fromhex("060e2b34020501010d01020101020400") + b"\x83\0\0\x58" + \
        bytes(80) + u32(HUGE, 16) + bytes.fromhex("060e2b34025301010d01020101100100") + \
        b"\x83\0\0\x40" + u16(0x3f0a, 0xffff) + u32(0x0fffffff, 11)
    yield "nut-header", b"nut/multimedia container\0N\x4d\x7a\x56\x1f\x5f\x04\xad\xff\xff\xff\x7f"
    yield "rm-index", b".RMF" + u32(18) + bytes(10) + b"INDX" + u32(0x7fffffff) + u16(0) + \
        u32(HUGE) + u16(0) + u32(18)
    yield "wtv-sectors", bytes.fromhex("b7d800203749da11a64e0007e95ead8d") + b"\xff" * 4096
    yield "noise", random.Random(1).randbytes(4096)


def all_bombs():
    for family in (mp4_bombs, matroska_bombs, avi_bombs, flv_bombs, ts_bombs, ogg_bombs,
                   sound_bombs, other_bombs):
        yield from family()


BOMBS = dict(all_bombs())
