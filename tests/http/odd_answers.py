"""
The table of odd answers: what a server says, and what becomes of the call. It is run over every transport.

An outcome is `OWN` (the call gets the answer it should), the class of an error, or an errcode. Where a transport
differs, the row says which, how and why.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache
from typing import Final, TypeAlias

import attrs

from wechat_kf import DeliveryUncertain, KfError, ReplyError

from .odd_server import ECHO, Endless, Reads, Step, answer

__all__ = ["OWN", "ROWS", "Outcome", "Row"]

OWN: Final = "its own answer"

Outcome: TypeAlias = str | int | type[KfError]

# For the rows.
BODY: Final = b'{"errcode":0,"who":"odd"}'
CUT: Final = DeliveryUncertain
KIB: Final = 1024

H11: Final = "h11"
LLHTTP: Final = "httptools"
HTTPCORE: Final = "trio"


@attrs.frozen
class Row:
    """
    One odd answer.

    Attributes:
        name: What is odd about it.

        says: What the server says, in order.

        outcome: What becomes of the call.

        hangs_up: Whether the server closes the connection then.

        but: Transports with another outcome: that, and why.

        timeout: Seconds for the call.

        rest: Seconds between this call and the next.

        upload: How many bytes are uploaded; 0 for a GET.

        reads: When the server reads the request's body: ``first``, ``later``, or ``no``.
    """

    name: str
    says: tuple[Step, ...]
    outcome: Outcome = OWN
    hangs_up: bool = False
    but: Mapping[str, tuple[Outcome, str]] = attrs.field(factory=dict[str, tuple[Outcome, str]])
    timeout: float = 20.0
    rest: float = 0.0
    upload: int = 0
    reads: Reads = "first"


def head(*fields: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """
    Write a head.
    """
    return b"\r\n".join([start, *fields, b"", b""])


def told(*fields: bytes, start: bytes = b"HTTP/1.1 200 OK", body: bytes = BODY) -> bytes:
    """
    Write an answer of known length with fields besides.
    """
    return head(*fields, b"Content-Length: %d" % len(body), start=start) + body


def chunked(
    *chunks: bytes, fields: tuple[bytes, ...] = (b"Transfer-Encoding: chunked",), end: bytes = b"0\r\n\r\n"
) -> bytes:
    """
    Write an answer in chunks, each with its size line.
    """
    return head(*fields) + b"".join(chunks) + end


def chunk(data: bytes = BODY, *, size: bytes | None = None, after: bytes = b"\r\n") -> bytes:
    """
    Write a chunk.
    """
    return (b"%x" % len(data) if size is None else size) + b"\r\n" + data + after


SIZE: Final = b"%x" % len(BODY)
LENGTH: Final = b"Content-Length: %d" % len(BODY)
HINTS: Final = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
STALE: Final = answer("stale")

HEADS: Final = (
    Row("nothing odd", (told(),)),
    Row("a byte at a time", tuple(told()[at : at + 1] for at in range(len(told())))),
    Row("bare line feeds", (told().replace(b"\r\n", b"\n"),)),
    Row("some bare line feeds", (told(b"X: y").replace(b"X: y\r\n", b"X: y\n"),)),
    Row("a folded field", (told(b"X: y\r\n z"),)),
    Row("a folded length", (head(b"Content-Length:\r\n %d" % len(BODY)) + BODY,)),
    Row(
        "a fold before any field",
        (told(b" X: y"),),
        CUT,
        but={LLHTTP: (OWN, "lenient, as it must be for folded fields, it takes this one for a field")},
    ),
    Row("a control character in a field", (told(b"X: a\x01b"),)),
    Row("a NUL in a field", (told(b"X: a\0b"),), CUT),
    Row("a form feed in a field", (told(b"X: a\fb"),), CUT),
    Row("a NUL in the reason", (told(start=b"HTTP/1.1 200 O\0K"),), CUT),
    Row("bytes beyond ASCII in a field", (told(b"X: \xe5\xa5\xbd\xff"),)),
    Row("a carriage return in a field", (told(b"X: a\rb"),), CUT),
    Row("a blank before the colon", (told(b"X : y"),), CUT),
    Row("a blank before the colon of the length", (head(LENGTH.replace(b":", b" :")) + BODY,), CUT),
    Row(
        "a carriage return before a value",
        (told(b"X:\r y"),),
        CUT,
        but={LLHTTP: (OWN, "lenient, as it must be for folded fields, it passes over this one")},
    ),
    Row("a line without a colon", (told(b"X"),), CUT),
    Row("a field without a name", (told(b": y"),), CUT),
    Row("a name that is none", (told(b"X@y: z"),), CUT),
    Row("a field without a value", (told(b"X:"),)),
    Row("no reason", (told(start=b"HTTP/1.1 200"),)),
    Row("an empty reason", (told(start=b"HTTP/1.1 200 "),)),
    Row("a Chinese reason", (told(start="HTTP/1.1 200 好".encode()),)),
    Row("HTTP in lower case", (told(start=b"http/1.1 200 OK"),), CUT),
    Row("HTTP/1.0", (told(start=b"HTTP/1.0 200 OK"),), hangs_up=True),
    Row("HTTP/1.0 that stays open", (told(b"Connection: keep-alive", start=b"HTTP/1.0 200 OK"),)),
    Row("HTTP/1.2", (told(start=b"HTTP/1.2 200 OK"),)),
    Row("HTTP/2.0", (told(start=b"HTTP/2.0 200 OK"),)),
    Row("HTTP/0.9", (told(start=b"HTTP/0.9 200 OK"),)),
    Row("RTSP", (told(start=b"RTSP/1.0 200 OK"),), CUT),
    Row("an empty line first", (b"\r\n" + told(),), CUT),
    Row("a blank first", (b" " + told(),), CUT),
    Row("two blanks in the status line", (told(start=b"HTTP/1.1  200 OK"),), CUT),
    Row("a tab in the status line", (told(start=b"HTTP/1.1\t200 OK"),), CUT),
    Row("a status of two digits", (told(start=b"HTTP/1.1 20 OK"),), CUT),
    Row("a status of four digits", (told(start=b"HTTP/1.1 2000 OK"),), CUT),
    Row("a status below 100", (told(start=b"HTTP/1.1 099 OK"),), CUT),
    Row("a status of 299", (told(start=b"HTTP/1.1 299 OK"),)),
    Row("a status of 302", (told(b"Location: /x", start=b"HTTP/1.1 302 Found"),), ReplyError),
    Row("a status of 999", (told(start=b"HTTP/1.1 999 OK"),), DeliveryUncertain),
    Row("bare carriage returns", (told().replace(b"\r\n", b"\r"),), CUT, hangs_up=True),
    Row("something else than HTTP", (b"+OK ready\r\n",), CUT, hangs_up=True),
    Row("something else that goes on", (Endless(b"+OK ready\r\n", 0.01),), CUT, timeout=1),
    Row("silence", (0.0,), CUT, timeout=0.3),
    Row("an end without a word", (), CUT, hangs_up=True),
    Row("half a head", (told()[:30],), CUT, hangs_up=True),
    Row("half a head, then silence", (told()[:30],), CUT, timeout=0.3),
    Row("a head of 90 KiB", (told(b"X: " + b"y" * 90 * KIB),)),
    Row(
        "a head of 110 KiB",
        (told(b"X: " + b"y" * 110 * KIB),),
        CUT,
        but={
            HTTPCORE: (OWN, "h11 counts what it holds of an unfinished head, which httpcore may complete in one read")
        },
    ),
    Row("a field without end", (head()[:-2] + b"X: ", Endless(b"y" * KIB)), CUT),
    Row("fields without end", (head()[:-2], Endless(b"X: y\r\n" * 100)), CUT),
    Row("a head that drips", (head()[:-2], Endless(b"X: y\r\n", 0.01)), CUT, timeout=0.5),
)

LENGTHS: Final = (
    Row("the same length twice", (told(LENGTH),), but={LLHTTP: (CUT, "it refuses a second length in any case")}),
    Row(
        "the same length twice in a field",
        (head(LENGTH + b", %d" % len(BODY)) + BODY,),
        but={LLHTTP: (CUT, "as above")},
    ),
    Row("two lengths", (told(b"Content-Length: 3"),), CUT),
    Row("a length with a sign", (head(b"Content-Length: +%d" % len(BODY)) + BODY,), CUT),
    Row("a negative length", (head(b"Content-Length: -1") + BODY,), CUT),
    Row("an empty length", (head(b"Content-Length:") + BODY,), CUT),
    Row("a hexadecimal length", (head(b"Content-Length: 0x19") + BODY,), CUT),
    Row("a length with blanks around", (head(b"Content-Length:   %d  " % len(BODY)) + BODY,)),
    Row("a length beyond 64 bits", (head(b"Content-Length: " + b"9" * 20) + BODY,), CUT, hangs_up=True),
    Row("a length of 40 digits", (head(b"Content-Length: " + b"9" * 40) + BODY,), CUT),
    Row("less than the length", (told()[:-1],), CUT, hangs_up=True),
    Row("less than the length, then silence", (told()[:-1],), CUT, timeout=0.3),
    Row("more than the length", (told() + b"what else",)),
    Row("an empty line more than the length", (told() + b"\r\n",)),
    Row("no length", (head() + BODY,), hangs_up=True),
    Row("no length, in pieces", (head(), BODY[:9], BODY[9:]), hangs_up=True),
    Row("no length and no end", (head() + BODY,), CUT, timeout=0.3),
    Row("no length and no body", (head(),), ReplyError, hangs_up=True),
    Row("a length of nothing", (head(b"Content-Length: 0"),), ReplyError),
    Row("a length of nothing, and something", (head(b"Content-Length: 0") + BODY,), ReplyError),
    Row(
        "a body that drips",
        (told()[: -len(BODY)], *(step for at in range(len(BODY)) for step in (BODY[at : at + 1], 0.005))),
    ),
    Row("204 with a body", (told(start=b"HTTP/1.1 204 No Content"),), ReplyError),
    Row("205", (head(b"Content-Length: 0", start=b"HTTP/1.1 205 Reset Content"),), ReplyError),
    Row("304 with a length", (head(LENGTH, start=b"HTTP/1.1 304 Not Modified"),), ReplyError),
)

CHUNKS: Final = (
    Row("chunks", (chunked(chunk(BODY[:9]), chunk(BODY[9:])),)),
    Row("chunks of a byte", (chunked(*(chunk(BODY[at : at + 1]) for at in range(len(BODY)))),)),
    Row(
        "chunks in pieces",
        (head(b"Transfer-Encoding: chunked"), SIZE[:1], SIZE[1:] + b"\r", b"\n", BODY, b"\r\n0", b"\r\n\r", b"\n"),
    ),
    Row("Chunked", (chunked(chunk(), fields=(b"Transfer-Encoding: Chunked",)),)),
    Row(
        "chunked and a tab",
        (chunked(chunk(), fields=(b"Transfer-Encoding: chunked\t",)),),
        but={LLHTTP: (CUT, "it does not take that for chunked, so it is refused")},
    ),
    Row("chunks in HTTP/1.0", (chunked(chunk()).replace(b"1.1", b"1.0"),)),
    Row("chunks and a length", (chunked(chunk(), fields=(b"Transfer-Encoding: chunked", b"Content-Length: 5")),)),
    Row("a length and chunks", (chunked(chunk(), fields=(b"Content-Length: 5", b"Transfer-Encoding: chunked")),)),
    Row("chunks of gzip", (chunked(chunk(), fields=(b"Transfer-Encoding: gzip, chunked",)),), CUT),
    Row("chunked twice", (chunked(chunk(), fields=(b"Transfer-Encoding: chunked",) * 2),), CUT),
    Row("identity", (told(b"Transfer-Encoding: identity"),), CUT),
    Row("an unknown coding", (chunked(chunk(), fields=(b"Transfer-Encoding: xchunked",)),), CUT),
    Row("a chunk extension", (chunked(chunk(size=SIZE + b";a=b")),)),
    Row("a chunk extension in quotes", (chunked(chunk(size=SIZE + b';a="b c"')),)),
    Row(
        "an odd chunk extension",
        (chunked(chunk(size=SIZE + b"; a = b ,")),),
        but={LLHTTP: (CUT, "it reads extensions, which h11 passes over")},
    ),
    Row("a chunk extension without end", (head(b"Transfer-Encoding: chunked") + SIZE + b";", Endless(b"a" * KIB)), CUT),
    Row(
        "a chunk extension that drips",
        (head(b"Transfer-Encoding: chunked") + SIZE + b";", Endless(b"a", 0.01)),
        CUT,
        timeout=0.5,
    ),
    Row("blanks after a chunk's size", (chunked(chunk(size=SIZE + b"  ")),)),
    Row("bare line feeds in chunks", (chunked(chunk()).replace(SIZE + b"\r\n", SIZE + b"\n"),), CUT, hangs_up=True),
    Row("no line end after a chunk", (chunked(chunk(after=b"")),), CUT),
    Row(
        "thousands of tiny chunks at once",
        (head(b"Transfer-Encoding: chunked") + chunk(b" ") * 5000 + chunk() + b"0\r\n\r\n",),
        CUT,
        but={HTTPCORE: (OWN, "httpcore takes as many as come")},
    ),
    Row("a chunk size that is one too large", (chunked(chunk(size=b"%x" % (len(BODY) + 1))),), CUT),
    Row("a chunk size that is one too small", (chunked(chunk(size=b"%x" % (len(BODY) - 1))),), CUT),
    Row("a negative chunk", (chunked(chunk(size=b"-2")),), CUT),
    Row("a chunk size in C", (chunked(chunk(size=b"0x" + SIZE)),), CUT),
    Row("a chunk size with zeros before", (chunked(chunk(size=b"0000" + SIZE)),)),
    Row("a chunk size beyond 64 bits", (chunked(chunk(size=b"f" * 20)),), CUT, hangs_up=True),
    Row("a chunk size of 40 digits", (chunked(chunk(size=b"f" * 40)),), CUT),
    Row("half a chunk", (head(b"Transfer-Encoding: chunked") + chunk()[:9],), CUT, hangs_up=True),
    Row("no last chunk", (chunked(chunk(), end=b""),), CUT, hangs_up=True),
    Row("no last chunk, then silence", (chunked(chunk(), end=b""),), CUT, timeout=0.3),
    Row("trailers", (chunked(chunk(), end=b"0\r\nX: y\r\nZ: z\r\n\r\n"),)),
    Row(
        "bare line feeds in trailers",
        (chunked(chunk(), end=b"0\r\nX: y\n\n"),),
        but={LLHTTP: (CUT, "lenient there, it would be so at the ends of chunks, and take them for data")},
    ),
    Row("a length as a trailer", (chunked(chunk(), end=b"0\r\nContent-Length: 3\r\n\r\n"),)),
    Row("a trailer that is none", (chunked(chunk(), end=b"0\r\nX\r\n\r\n"),), CUT),
    Row("trailers without end", (chunked(chunk(), end=b"0\r\n"), Endless(b"X: y\r\n" * 100)), CUT),
    Row("trailers that drip", (chunked(chunk(), end=b"0\r\n"), Endless(b"X: y\r\n", 0.01)), CUT, timeout=0.5),
    Row(
        "a head and trailers of 60 KiB each",
        (
            head(b"Transfer-Encoding: chunked", b"X: " + b"y" * 60 * KIB),
            chunk() + b"0\r\nX: " + b"y" * 60 * KIB + b"\r\n\r\n",
        ),
        CUT,
        but={HTTPCORE: (OWN, "h11 counts each by itself")},
    ),
)

ANNOUNCEMENTS: Final = (
    Row("100", (b"HTTP/1.1 100 Continue\r\n\r\n" + told(),)),
    Row("100, then a while", (b"HTTP/1.1 100 Continue\r\n\r\n", 0.05, told())),
    Row("103 with a field", (HINTS + told(),)),
    Row("fifty times 103", (HINTS * 50 + told(),)),
    Row(
        "an empty line after 103",
        (HINTS + b"\r\n" + told(),),
        CUT,
        but={LLHTTP: (OWN, "it passes over empty lines before a response")},
    ),
    Row("100 with a length", (head(b"Content-Length: 5", start=b"HTTP/1.1 100 Continue") + told(),)),
    Row("100 with an unknown coding", (head(b"Transfer-Encoding: x", start=b"HTTP/1.1 100 Continue") + told(),), CUT),
    Row(
        "100 with a close",
        (head(b"Connection: close", start=b"HTTP/1.1 100 Continue") + told(),),
        but={LLHTTP: (CUT, "it believes the close")},
    ),
    Row("103 without end", (Endless(HINTS * 20),), CUT, timeout=1),
    Row("103 that drips", (Endless(HINTS, 0.01),), CUT, timeout=0.5),
    Row("103 without fields and without end", (Endless(b"HTTP/1.1 103 Hints\r\n\r\n" * 20),), CUT, timeout=1),
    Row("100, then the end", (b"HTTP/1.1 100 Continue\r\n\r\n",), CUT, hangs_up=True),
    Row("another protocol", (head(b"Upgrade: x", b"Connection: upgrade", start=b"HTTP/1.1 101 Switching"),), CUT),
    Row("101 without another protocol", (head(start=b"HTTP/1.1 101 Switching") + told(),), CUT),
    Row("an offer of another protocol", (told(b"Upgrade: h2c", b"Connection: upgrade"),)),
)

LEFTOVERS: Final = (
    Row("two answers in one segment", (told() + STALE,)),
    Row("two answers in two records of one segment", ((told(), STALE),)),
    Row("two answers in many records of one segment", ((told()[:20], told()[20:], STALE[:30], STALE[30:]),)),
    Row("two answers in two segments", (told(), STALE), rest=0.05),
    Row("two answers in chunks", ((chunked(chunk()), chunked(chunk(b'{"who":"stale"}'))),)),
    Row("the second half an answer", ((told(), STALE[:25]),)),
    Row("the second a byte of an answer", (told() + b"H",)),
    Row("an answer to nobody a while later", (told(), 0.05, STALE), rest=0.15),
    Row("an empty line a while later", (told(), 0.05, b"\r\n"), rest=0.15),
    Row("an end a while later", (told(), 0.05), hangs_up=True, rest=0.15),
    Row("the end at once, without a word before", (told(),), hangs_up=True, rest=0.05),
    Row("a close that is kept", (told(b"Connection: close"),), hangs_up=True),
    Row("a close that is not kept", (told(b"Connection: close"),)),
    Row("a close and more", (told(b"Connection: close") + STALE,), hangs_up=True),
    Row(
        "408 to nobody", (told(), 0.05, told(start=b"HTTP/1.1 408 Request Timeout", body=b"")), hangs_up=True, rest=0.15
    ),
)

REFUSAL: Final = told(start=b"HTTP/1.1 413 Too Large", body=b"too large")
ERRCODE: Final = told(body=b'{"errcode":45001,"errmsg":"too large"}')
DEAF: Final = {HTTPCORE: (CUT, "httpcore reads only when the whole request is written, or the server hangs up")}

UPLOAD: Final = 6 * KIB * KIB

EARLY: Final = (
    Row("413 after an upload", (REFUSAL,), ReplyError, upload=KIB),
    Row("413 during an upload that is read on", (REFUSAL,), ReplyError, upload=UPLOAD, reads="later"),
    Row(
        "413 during an upload that is not read on",
        (REFUSAL,),
        ReplyError,
        upload=UPLOAD,
        reads="no",
        but=DEAF,
        timeout=1,
    ),
    Row("413 during an upload, and a close", (REFUSAL,), ReplyError, upload=UPLOAD, reads="no", hangs_up=True),
    Row(
        "413 that closes during an upload",
        (told(b"Connection: close", start=b"HTTP/1.1 413 Too Large"),),
        ReplyError,
        upload=UPLOAD,
        reads="no",
        but=DEAF,
        timeout=1,
    ),
    Row("an errcode during an upload that is read on", (ERRCODE,), 45001, upload=UPLOAD, reads="later"),
    Row(
        "an errcode during an upload that is not read on",
        (ERRCODE,),
        45001,
        upload=UPLOAD,
        reads="no",
        but=DEAF,
        timeout=1,
    ),
    Row("an errcode during an upload, and a close", (ERRCODE,), 45001, upload=UPLOAD, reads="no", hangs_up=True),
    Row(
        "an answer in pieces during an upload",
        (ERRCODE[:9], 0.02, ERRCODE[9:50], 0.02, ERRCODE[50:]),
        45001,
        upload=UPLOAD,
        reads="no",
        but=DEAF,
        timeout=1,
    ),
    Row("100 during an upload", (b"HTTP/1.1 100 Continue\r\n\r\n" + told(),), upload=UPLOAD, reads="later"),
    Row("half an answer during an upload, and a close", (ERRCODE[:50],), CUT, upload=UPLOAD, reads="no", hangs_up=True),
    Row("a close during an upload", (), CUT, upload=UPLOAD, reads="no", hangs_up=True),
)


# None of what is quoted of an answer, or logged, may show the token: the suite's watch over secrets sees to that.
ECHOES: Final = (
    Row("an echo for a status line", (b"ECHO " + ECHO + b"\r\n\r\n",), CUT),
    Row("an echo in the status line", (b"HTTP/1.1 200" + ECHO + b"\r\n\r\n",), CUT),
    Row("an echo for a reason", (told(start=b"HTTP/1.1 200 " + ECHO),)),
    Row("an echo for a field", (told(ECHO),), CUT),
    Row("an echo in a field", (told(b"X: " + ECHO),)),
    Row("an echo in a redirect", (told(b"Location: " + ECHO, start=b"HTTP/1.1 302 Found"),), ReplyError),
    Row("an echo for a length", (head(b"Content-Length: " + ECHO),), CUT),
    Row("an echo for a coding", (told(b"Content-Encoding: " + ECHO),), ReplyError),
    Row("an echo for a transfer coding", (told(b"Transfer-Encoding: " + ECHO),), CUT),
    Row("an echo in 103", (head(b"Link: " + ECHO, start=b"HTTP/1.1 103 Hints") + told(),)),
    Row("an echo for a chunk's size", (head(b"Transfer-Encoding: chunked") + ECHO + b"\r\n",), CUT),
    Row("an echo after a chunk", (head(b"Transfer-Encoding: chunked") + chunk(after=ECHO),), CUT),
    Row("an echo for a trailer", (chunked(chunk(), end=b"0\r\n" + ECHO + b"\r\n\r\n"),), CUT),
    Row("an echo for a body", (head() + ECHO,), ReplyError, hangs_up=True),
    Row("an echo after the body", (told() + ECHO,)),
    Row("an echo that breaks off", (b"HTTP/1.1 200 " + ECHO,), CUT, hangs_up=True),
)


def coded(coding: bytes, body: bytes) -> bytes:
    """
    Write an answer in a content coding.
    """
    return told(b"Content-Encoding: " + coding, body=body)


def zipped(wbits: int, body: bytes = BODY) -> bytes:
    """
    Compress, with the head that these bits mean to zlib.
    """
    engine = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return engine.compress(body) + engine.flush()


@cache
def bomb(mebibytes: int) -> bytes:
    """
    Compress so many MiB of blanks around an answer.
    """
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    blanks = b" " * KIB * KIB
    return b"".join([*(engine.compress(blanks) for _ in range(mebibytes)), engine.compress(BODY), engine.flush()])


GZIP: Final = zipped(31)

CODINGS: Final = (
    Row("gzip", (coded(b"gzip", GZIP),)),
    Row("GZip", (coded(b"GZip", GZIP),)),
    Row("x-gzip", (coded(b"x-gzip", GZIP),)),
    Row("gzip in pieces", (coded(b"gzip", GZIP)[:-20], GZIP[-20:-10], GZIP[-10:])),
    Row("gzip a byte at a time", tuple(coded(b"gzip", GZIP)[at : at + 1] for at in range(len(coded(b"gzip", GZIP))))),
    Row(
        "gzip in chunks",
        (chunked(chunk(GZIP[:9]), chunk(GZIP[9:]), fields=(b"Transfer-Encoding: chunked", b"Content-Encoding: gzip")),),
    ),
    Row("deflate", (coded(b"deflate", zipped(15)),)),
    Row("deflate without a head", (coded(b"deflate", zipped(-15)),)),
    Row("identity as a coding", (coded(b"identity", BODY),)),
    Row("an empty coding", (coded(b"", BODY),)),
    Row("gzip and identity", (coded(b"identity, gzip", GZIP),)),
    Row("gzip twice", (coded(b"gzip, gzip", zipped(31, GZIP)),), ReplyError),
    Row(
        "gzip in two fields",
        (told(b"Content-Encoding: gzip", b"Content-Encoding: gzip", body=zipped(31, GZIP)),),
        ReplyError,
    ),
    Row("gzip and deflate", (coded(b"deflate, gzip", zipped(31, zipped(15))),), ReplyError),
    Row("br", (coded(b"br", BODY),), ReplyError),
    Row("zstd", (coded(b"zstd", BODY),), ReplyError),
    Row("a coding nobody knows", (coded(b"x", BODY),), ReplyError),
    Row("gzip that is none", (coded(b"gzip", BODY),), ReplyError),
    Row("deflate that is none", (coded(b"deflate", b"\xff" + BODY),), ReplyError),
    Row("gzip that breaks off", (coded(b"gzip", GZIP[:-9]),), ReplyError),
    Row("gzip with a wrong sum", (coded(b"gzip", GZIP[:-8] + bytes(8)),), ReplyError),
    Row("gzip that goes on", (coded(b"gzip", GZIP + b"what else"),), ReplyError),
    Row("gzip of nothing", (coded(b"gzip", zipped(31, b"")),), ReplyError),
    Row("no body in gzip", (coded(b"gzip", b""),), ReplyError),
    Row("gzip of 30 MiB", (coded(b"gzip", bomb(30)),)),
    Row("gzip of 80 MiB", (coded(b"gzip", bomb(80)),), ReplyError),
    Row(
        "a name in gzip without end",
        (head(b"Content-Encoding: gzip") + b"\x1f\x8b\x08\x08" + bytes(2) + b"\0\0\0\x03", Endless(b"n" * 64 * KIB)),
        ReplyError,
    ),
)

ROWS: Final = (*HEADS, *LENGTHS, *CHUNKS, *ANNOUNCEMENTS, *LEFTOVERS, *EARLY, *ECHOES, *CODINGS)
