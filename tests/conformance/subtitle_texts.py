# SPDX-License-Identifier: BSD-2-Clause
"""Subtitles as people write them: the inputs of subtitles.tsv."""


def clock(ms, mark):
    return f"{ms // 3600000:02}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}{mark}{ms % 1000:03}"


def srt(*cues):
    """(begin, end, text) each, in milliseconds; the end may be followed by coordinates."""
    return "".join(f"{n}\n{clock(begin, ',')} --> {clock(int(str(end).split()[0]), ',')}" +
                   "".join(f"  {word}" for word in str(end).split()[1:]) + f"\n{text}\n\n"
                   for n, (begin, end, text) in enumerate(cues, 1))


def dialogue(begin, end, text, style="Default", layer=0):
    times = (f"{ms // 3600000}:{ms // 60000 % 60:02}:{ms // 1000 % 60:02}.{ms // 10 % 100:02}"
             for ms in (begin, end))
    return f"Dialogue: {layer},{','.join(times)},{style},,0,0,0,,{text}\n"


PLAIN = srt(
    (0, 900, "first"),
    (1000, 1700, "two\nlines"),
    (2500, 3999, "Zażółć gęślą jaźń"),
    (4000, 5000, "字幕テスト\n한국어"),
    (5500, 6000, "\N{GRINNING FACE} e\u0301"),
    (8000, 11500, "- a dialogue\n- of two"))

STYLED = srt(
    (200, 900, "<i>slanted</i> & <b>bold</b> <u>under</u> <s>gone</s>"),
    (1000, 1800, '<font color="red" size="20">red <font color="#00ff7f">green</font> red</font>'),
    (2000, 2400, '<font face="Courier New"><b>nested <i>deep</i></b></font>'),
    (2500, 2900, "<b>never closed\nand on"),
    (3000, 3400, "{\\an8}at the top"),
    (3500, 3900, "{\\pos(100,50)}somewhere {\\i1}and slanted{\\i0}"),
    (4000, 4400, "<B>capitals</B><br>break <br/> and <unknown>tag</unknown>"),
    (4500, 4900, "&lt;entities&gt; &amp; &nbsp; 1 < 2 > 0"),
    (5000, 5400, "<<guillemets>> {not a tag} {Y:i}microdvd"),
    (5500, 5900, "back\\slash \\N newline \\h space"),
    (6000, 6400, '<font color="nonsense">?</font><font size="999">huge</font>'))

OVERLAP = srt(
    (500, 3000, "long"),
    (1000, 1500, "inside"),
    (1000, 2000, "at the same time"),
    (1200, 1200, "no time at all"),
    (900, 950, "out of order"),
    (4000, 3500, "ends before it begins"),
    (5000, 700000, "outlasts the pictures"))

EMPTY = srt(
    (0, 500, ""), (1000, 1500, " "), (2000, 2500, "<i></i>"), (3000, 3500, "text"),
    (4000, 4500, "{\\an8}"))

PLACED = srt((500, "900 X1:100 X2:600 Y1:050 Y2:100", "in a frame"),
             (1000, "1500 X1:010 X2:010 Y1:020 Y2:020", "in a corner"))

CUES = """WEBVTT - a title
Kind: captions

NOTE a remark
of two lines

intro
00:00.500 --> 00:01.200 position:10% line:0 align:start
<v Roger>Hello <c.loud>there</c> &amp; <i>welcome</i>

00:01.000 --> 00:02.000
<b>bold</b> <u>under</u> <ruby>kanji<rt>kana</rt></ruby>
second line

00:00:03.000 --> 00:00:03.500 vertical:rl
&lt;tag&gt;&nbsp;space &lrm;left&rlm; {braces} \\back

00:04.000 --> 00:05.000
<00:04.200>karaoke <00:04.600>words

NOTE the last one

00:05.250 --> 00:05.900
- a list
- of two
"""

ASS_HEAD = """[Script Info]
; a remark
Title: Test
ScriptType: v4.00+
PlayResX: 640
PlayResY: 360
WrapStyle: 0

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, \
Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,20,&H00FFFFFF,&H000000FF,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,2,1,2,\
10,10,10,1
Style: Sign,Times New Roman,28,&H0000FFFF,&H000000FF,&H00000000,&H00000000,-1,-1,0,0,100,100,0,0,\
1,2,1,8,10,10,10,1
Style: Under,Courier,14,&H4000FF00,&H000000FF,&H00000000,&H00000000,0,0,-1,0,100,100,0,0,1,2,1,5,\
10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""

STYLED_ASS = ASS_HEAD + "Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,not shown\n" + "".join((
    dialogue(100, 900, "plain, with a comma"),
    dialogue(1000, 1900, "{\\i1}slanted{\\i0} {\\b1}bold{\\b0} {\\u1}under{\\u0} {\\s1}gone{\\s0}"),
    dialogue(1000, 2500, "at the same time", "Sign", 1),
    dialogue(2000, 2900, "{\\c&H0000FF&}red {\\1c&HFF0000&}blue {\\2c&H00FF00&}hi{\\2c} {\\c}back"),
    dialogue(3000, 3900, "{\\fnCourier\\fs40}big {\\r}reset {\\rSign}sign {\\rNothing}none"),
    dialogue(4000, 4900, "{\\pos(100,200)\\an7}placed{\\move(1,2,3,4)}{\\fad(200,200)}"),
    dialogue(5000, 5900, "one\\Ntwo\\nthree\\hfour", "Under"),
    dialogue(6000, 6900, "{\\k20}ka{\\k30}ra{\\kf40}o{\\t(0,500,\\frz360)}ke"),
    dialogue(7000, 7900, "{\\p1}m 0 0 l 100 0 100 100 0 100{\\p0}"),
    dialogue(8000, 8900, "{\\alpha&H80&}half {\\1a&HC0&}quarter {unclosed"),
    dialogue(9000, 9900, "{\\b1\\i1\\u1}all {a remark} of it"),
    dialogue(10000, 10500, "", "Sign"),
    dialogue(9500, 10500, "out of order")))

SSA = """[Script Info]
ScriptType: v4.00

[V4 Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, TertiaryColour, BackColour, \
Bold, Italic, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, AlphaLevel, \
Encoding
Style: Default,Arial,18,16777215,65535,65535,-2147483640,-1,0,1,3,0,2,30,30,30,0,0
Style: Top,Arial,18,255,65535,65535,-2147483640,0,-1,1,3,0,6,30,30,30,0,0

[Events]
Format: Marked, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: Marked=0,0:00:01.00,0:00:02.00,Default,Speaker,0000,0000,0000,,first
Dialogue: Marked=0,0:00:03.00,0:00:04.50,Top,,0000,0000,0000,,{\\i0}second\\Nline
"""

MANY = srt(*((n * 40, n * 40 + 60, f"cue {n} <i>of</i> many") for n in range(3000)))
LONG = srt((1000, 4000, " ".join(f"<b>word{n}</b>" for n in range(1500))))

TEXTS = {
    "plain.srt": PLAIN.encode(),
    "styled.srt": STYLED.encode(),
    "overlap.srt": OVERLAP.encode(),
    "empty.srt": EMPTY.encode(),
    "placed.srt": PLACED.encode(),
    "many.srt": MANY.encode(),
    "long.srt": LONG.encode(),
    "crlf.srt": PLAIN.replace("\n", "\r\n").encode(),
    "bom.srt": PLAIN.encode("utf-8-sig"),
    "utf16.srt": PLAIN.encode("utf-16"),
    "utf16be.srt": b"\xfe\xff" + PLAIN.encode("utf-16-be"),
    "latin1.srt": srt((0, 900, "plain"), (1000, 1900, "caf\xe9"),
                      (2000, 2900, "plain again")).encode("latin-1"),
    "cues.vtt": CUES.encode(),
    "bom.vtt": CUES.encode("utf-8-sig"),
    "utf16.vtt": CUES.encode("utf-16"),
    "styled.ass": STYLED_ASS.encode(),
    "bom.ass": STYLED_ASS.encode("utf-8-sig"),
    "no-styles.ass": ("[Script Info]\nScriptType: v4.00+\n\n[Events]\n" +
                      dialogue(0, 900, "nothing says how")).encode(),
    "old.ssa": SSA.encode(),
}
