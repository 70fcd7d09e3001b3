# SPDX-License-Identifier: BSD-2-Clause
"""Where two results of a remux part: ffmpeg's and ours, packet by packet or byte by byte."""


def packets_differ(wanted, got):
    """'' or the first difference, stream by stream."""
    if wanted.keys() != got.keys():
        return f"streams {sorted(wanted)} in ffmpeg's, {sorted(got)} in ours"
    for stream, theirs in sorted(wanted.items()):
        ours = got[stream]
        for n, (a, b) in enumerate(zip(theirs, ours)):
            if a != b:
                many = sum(x != y for x, y in zip(theirs, ours))
                return (f"stream {stream} packet {n} (of {len(theirs)}, {many} differ): "
                        f"ffmpeg {' '.join(a)}, ours {' '.join(b)}")
        if len(theirs) != len(ours):
            return f"stream {stream}: {len(theirs)} packets in ffmpeg's, {len(ours)} in ours"
    return ""


def payload_differs(wanted, got):
    """As packets_differ, of two containers: sizes and checksums only."""
    bare = [{k: [["-", "-", "-", "-", *p[4:]] for p in v] for k, v in side.items()}
            for side in (wanted, got)]
    return packets_differ(*bare)


def bytes_differ(wanted, got):
    """'' or where two files part."""
    with open(wanted, "rb") as a, open(got, "rb") as b:
        theirs, ours = a.read(), b.read()
    if theirs == ours:
        return ""
    shorter = min(len(theirs), len(ours))
    low, high = 0, shorter  # the first difference lies in [low, high]
    while low < high:
        middle = (low + high) // 2
        if theirs[low:middle + 1] == ours[low:middle + 1]:
            low = middle + 1
        else:
            high = middle
    return (f"byte {low}: ffmpeg {theirs[low:low + 8].hex() or 'end'}, "
            f"ours {ours[low:low + 8].hex() or 'end'} (sizes {len(theirs)} and {len(ours)})")
