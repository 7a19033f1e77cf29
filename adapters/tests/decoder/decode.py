#!/usr/bin/env python3
"""Decodes frames of the native protocol, version 0, and prints one JSON object a frame.

Written from docs/formats/native.md alone, with nothing but the standard library: the proof that the page is enough.

    decode.py FILE...        each file is a stream of frames
"""

import json
import struct
import sys
import uuid

HEADER = struct.Struct("<IBBBBQQHHI")
FRAME_BYTES_MAX = 12_288
TEXT, BYTES = "text", "bytes"


class Bad(Exception):
    """The bytes are not what the page says."""


# The forms of section 3. Each takes the field's bytes and gives what is printed.


def number(raw):
    return int.from_bytes(raw, "little")


def wide(raw):
    return str(number(raw))


def code(raw):
    text = raw.rstrip(b"\0").decode("ascii")
    if not text or not set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"):
        raise Bad(f"not a participant's code: {raw!r}")
    return text


def payment_id(raw):
    return str(uuid.UUID(bytes=raw))


def payment_id_or_none(raw):
    return None if raw == bytes(16) else payment_id(raw)


def letters(raw):
    return raw.decode("ascii")


def letters_or_none(raw):
    return None if raw == bytes(len(raw)) else letters(raw)


def hexadecimal(raw):
    return raw.hex()


def code_or_none(raw):
    return None if raw == bytes(35) else code(raw)


def cursors(raw):
    return list(struct.unpack("<3Q", raw))


PAYMENT_PRIVATE = (
    ("payer_name", 560, TEXT),
    ("payer_account", 64, TEXT),
    ("payee_name", 560, TEXT),
    ("payee_account", 64, TEXT),
    ("end_to_end_id", 140, TEXT),
    ("remittance", 560, TEXT),
    ("extension", 8_192, BYTES),
)
ALIAS_COMMAND_PRIVATE = (
    ("alias", 320, TEXT),
    ("identity", 64, TEXT),
    ("account", 64, TEXT),
    ("name", 560, TEXT),
    ("attestation", 2_048, TEXT),
)
ALIAS_LOOKUP_PRIVATE = (("alias", 320, TEXT), ("end_user", 64, TEXT), ("account", 64, TEXT), ("name", 560, TEXT))
ALIAS_FOUND_PRIVATE = (("account", 64, TEXT), ("name", 560, TEXT))
ALIAS_TRANSFER_PRIVATE = (
    ("payer_name", 560, TEXT),
    ("payer_account", 64, TEXT),
    ("payee_name", 560, TEXT),
    ("end_to_end_id", 140, TEXT),
    ("remittance", 560, TEXT),
    ("extension", 8_192, BYTES),
    ("alias", 320, TEXT),
    ("end_user", 64, TEXT),
)
ITEMS = (("items", 8_192, BYTES),)
NOTE = (("text", 560, TEXT), ("extension", 8_192, BYTES))

ORDER = (
    ("payment_id", 16, payment_id),
    ("payer", 35, code),
    ("payee", 35, code),
    ("amount", 8, number),
    ("currency", 3, letters),
    ("accepted_at", 8, number),
    ("purpose", 4, letters_or_none),
    ("lane", 1, number),
    ("request_id", 16, payment_id_or_none),
)
RETURN = (
    ("return_id", 16, payment_id),
    ("original_id", 16, payment_id),
    ("case_id", 16, payment_id_or_none),
    ("amount", 8, number),
    ("currency", 3, letters),
    ("reason", 4, letters_or_none),
)
CASE = (
    ("case_id", 16, payment_id),
    ("kind", 1, number),
    ("original_id", 16, payment_id_or_none),
    ("opener", 35, code),
    ("responder", 35, code),
    ("amount", 8, number),
    ("currency", 3, letters_or_none),
    ("amount_form", 1, number),
    ("reason", 4, letters_or_none),
)

# Section 3: kind -> (name, fields of the routing part in their order, cells of the private part).
MESSAGES = {
    1: ("Hello", (("participant", 35, code), ("lineage", 16, hexadecimal), ("seen", 24, cursors), ("slot", 1, number)), None),
    2: (
        "Welcome",
        (
            ("lineage", 16, hexadecimal),
            ("resumed_after", 24, cursors),
            ("enqueued", 24, cursors),
            ("time", 8, number),
            ("frame_bytes_max", 4, number),
            ("in_flight_max", 4, number),
        ),
        None,
    ),
    3: ("Ack", (("received", 24, cursors),), None),
    4: (
        "Error",
        (
            ("code", 2, number),
            ("field", 1, number),
            ("fatal", 1, number),
            ("retry_after_ms", 4, number),
            ("frame_number", 8, number),
            ("payment_id", 16, payment_id_or_none),
        ),
        NOTE,
    ),
    5: ("Echo", (("token", 8, number), ("reply", 1, number)), None),
    6: ("CreditTransfer", ORDER, PAYMENT_PRIVATE),
    7: ("Forward", ORDER + (("deadline", 8, number),), PAYMENT_PRIVATE),
    8: ("Answer", (("payment_id", 16, payment_id), ("decision", 1, number), ("reason", 4, letters_or_none)), NOTE),
    9: (
        "Status",
        (
            ("payment_id", 16, payment_id),
            ("outcome", 1, number),
            ("reason", 4, letters_or_none),
            ("field", 1, number),
            ("decided_at", 8, number),
            ("position", 8, number),
        ),
        NOTE,
    ),
    10: ("StatusRequest", (("payment_id", 16, payment_id),), None),
    11: ("Return", RETURN, NOTE),
    12: (
        "Returned",
        RETURN + (("returned_total", 8, number), ("decided_at", 8, number), ("position", 8, number)),
        NOTE,
    ),
    13: ("CaseOpen", CASE + (("expires_at", 8, number),), PAYMENT_PRIVATE),
    14: ("CaseForward", CASE + (("deadline", 8, number),), PAYMENT_PRIVATE),
    15: ("CaseAnswer", (("case_id", 16, payment_id), ("decision", 1, number), ("reason", 4, letters_or_none)), NOTE),
    16: ("CaseCancel", (("case_id", 16, payment_id), ("reason", 4, letters_or_none)), NOTE),
    17: (
        "CaseStatus",
        (
            ("case_id", 16, payment_id),
            ("kind", 1, number),
            ("state", 1, number),
            ("reason", 4, letters_or_none),
            ("field", 1, number),
            ("at", 8, number),
            ("position", 8, number),
        ),
        NOTE,
    ),
    18: ("SignOn", (), None),
    19: ("SignOff", (), None),
    20: (
        "AliasCommand",
        (
            ("command_id", 16, payment_id),
            ("operation", 1, number),
            ("alias_type", 1, number),
            ("defaults", 2, number),
            ("consent_purpose", 1, number),
            ("consent_until", 8, number),
        ),
        ALIAS_COMMAND_PRIVATE,
    ),
    21: (
        "AliasResult",
        (
            ("command_id", 16, payment_id),
            ("result", 1, number),
            ("claim", 1, number),
            ("at", 8, number),
            ("position", 8, number),
        ),
        (("alias", 254, TEXT),),
    ),
    22: (
        "AliasLookup",
        (
            ("lookup_id", 16, payment_id),
            ("form", 1, number),
            ("purpose", 1, number),
            ("alias_type", 1, number),
            ("participant", 35, code_or_none),
        ),
        ALIAS_LOOKUP_PRIVATE,
    ),
    23: (
        "AliasFound",
        (
            ("lookup_id", 16, payment_id),
            ("result", 1, number),
            ("name_match", 1, number),
            ("participant", 35, code_or_none),
            ("owned_since", 8, number),
            ("counters", 9, list),
            ("retry_after_ms", 4, number),
            ("position", 8, number),
        ),
        ALIAS_FOUND_PRIVATE,
    ),
    24: (
        "AliasTransfer",
        ORDER[:2] + ORDER[3:] + (("alias_type", 1, number),),
        ALIAS_TRANSFER_PRIVATE,
    ),
    25: ("DirectoryQuery", (("query_id", 16, payment_id), ("form", 1, number), ("after", 8, number)), ITEMS),
    26: (
        "DirectoryAnswer",
        (("query_id", 16, payment_id), ("form", 1, number), ("has_more", 1, number), ("after", 8, number)),
        ITEMS,
    ),
    27: ("AccountQuery", (("query_id", 16, payment_id), ("currency", 3, letters)), None),
    28: (
        "AccountReport",
        (
            ("query_id", 16, payment_id),
            ("currency", 3, letters),
            ("standing", 1, number),
            ("settlement", 1, number),
            ("at", 8, number),
            ("position", 8, number),
            ("debits_pending", 16, wide),
            ("debits_posted", 16, wide),
            ("credits_pending", 16, wide),
            ("credits_posted", 16, wide),
            ("cap", 8, number),
            ("available", 16, wide),
        ),
        None,
    ),
}


def decode_routing(fields, raw):
    """Fixed layout: the fields one after another."""
    if sum(length for _, length, _ in fields) != len(raw):
        raise Bad(f"a routing part of {len(raw)} bytes")
    values, position = {}, 0
    for name, length, form in fields:
        values[name] = form(raw[position : position + length])
        position += length
    return values


def decode_private(cells, raw):
    """Section 4: contents in the order of their cells, and the root at the very end."""
    if not raw:
        return None
    if cells is None:
        raise Bad("this message has no private part")
    root = len(raw) - 8 * len(cells)
    if root < 0:
        raise Bad("a private part without a root")
    values, free_from = {}, 0
    for index, (name, bytes_max, form) in enumerate(cells):
        cell = root + 8 * index
        offset, length = struct.unpack_from("<iI", raw, cell)
        start, end = cell + offset, cell + offset + length
        if start < free_from or end > root:
            raise Bad(f"{name}: contents outside their place")
        if length > bytes_max:
            raise Bad(f"{name}: {length} bytes")
        free_from = end
        values[name] = raw[start:end].decode("utf-8") if form == TEXT else raw[start:end].hex()
    return values


def decode_frame(frame):
    """One whole frame."""
    (length, version, kind, lane, acknowledged_lane, sequence, acknowledged, routing_length, flags, reserved) = (
        HEADER.unpack_from(frame)
    )
    if version != 0 or flags != 0 or reserved != 0 or lane > 3 or acknowledged_lane > 3:
        raise Bad("a header that makes no sense in version 0")
    if kind not in MESSAGES:
        raise Bad(f"no message has kind {kind}")
    name, fields, cells = MESSAGES[kind]
    private_from = HEADER.size + routing_length
    if private_from > length:
        raise Bad("a routing part beyond the end of the frame")
    return {
        "length": length,
        "kind": name,
        "lane": lane,
        "number": sequence,
        "acknowledged_lane": acknowledged_lane,
        "acknowledged": acknowledged,
        "routing": decode_routing(fields, frame[HEADER.size : private_from]),
        "private": decode_private(cells, frame[private_from:]),
    }


def decode_stream(raw):
    """Frames and nothing else."""
    position = 0
    while position < len(raw):
        if len(raw) - position < HEADER.size:
            raise Bad("the stream ends in the middle of a header")
        (length,) = struct.unpack_from("<I", raw, position)
        if not HEADER.size <= length <= FRAME_BYTES_MAX or position + length > len(raw):
            raise Bad(f"a frame of {length} bytes")
        yield decode_frame(raw[position : position + length])
        position += length


def main(paths):
    for path in paths:
        with open(path, "rb") as file:
            raw = file.read()
        try:
            for frame in decode_stream(raw):
                print(json.dumps(frame))
        except (Bad, UnicodeDecodeError) as error:
            sys.exit(f"{path}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
