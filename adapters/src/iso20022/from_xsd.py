#!/usr/bin/env python3
"""Writes the structure of ISO 20022 messages in the notation of `2019.schema`, read from their published XML schemas:

    python3 from_xsd.py FOLDER head.001.001.02 pacs.008.001.08 ... > 2019.schema
"""
import re
import sys
import xml.etree.ElementTree as tree

XS = "{http://www.w3.org/2001/XMLSchema}"
TIMES = {"xs:date": "date", "xs:dateTime": "datetime", "xs:time": "time", "xs:gYearMonth": "month",
         "xs:boolean": "boolean"}

NOTATION = """\
# The structure of ISO 20022 messages: written by `from_xsd.py` from their published schemas, read by `schema.rs`.
#
#   message NAME ELEMENT TYPE     a message: its root element below `Document`
#   TYPE                          elements follow, in this order
#   TYPE |                        elements follow, of which there is one
#     ELEMENT TYPE [? * + M..N]   at most one, any number, at least one, from M to N; else exactly one
#   TYPE = FORM                   text: text MIN..MAX, code A B, pattern P, decimal DIGITS.FRACTION [0..],
#                                 amount (the same, with the attribute Ccy), date, datetime, time, month,
#                                 boolean, base64 MIN..MAX; any is whatever stands there
"""


def occurs(element):
    low, high = element.get("minOccurs", "1"), element.get("maxOccurs", "1")
    return {("1", "1"): "", ("0", "1"): " ?", ("0", "unbounded"): " *", ("1", "unbounded"): " +"}.get(
        (low, high), f" {low}..{high}")


def simple(restriction):
    base = restriction.get("base")
    facets = {}
    for facet in restriction:
        facets.setdefault(facet.tag.removeprefix(XS), []).append(facet.get("value"))
    if base in TIMES:
        return TIMES[base]
    if base == "xs:base64Binary":
        return f"base64 {facets['minLength'][0]}..{facets['maxLength'][0]}"
    if base == "xs:decimal":
        sign = "" if "minInclusive" not in facets else " 0.."
        return f"decimal {facets['totalDigits'][0]}.{facets['fractionDigits'][0]}{sign}"
    if "enumeration" in facets:
        return "code " + " ".join(facets["enumeration"])
    if "pattern" in facets:
        assert set(facets) <= {"pattern", "minLength", "maxLength", "length"}, facets
        return "pattern " + facets["pattern"][0]
    if "length" in facets:
        return f"text {facets['length'][0]}..{facets['length'][0]}"
    if not facets:
        return "text 1..35"
    return f"text {facets['minLength'][0]}..{facets['maxLength'][0]}"


def main(folder, messages):
    types, roots = {}, []
    for message in messages:
        schema = tree.parse(f"{folder}/{message}.xsd").getroot()
        found = {}
        for item in schema:
            if item.tag == XS + "element":
                document = item
                continue
            name, lines = item.get("name"), []
            body = item[0]
            if item.tag == XS + "simpleType":
                lines = [f"{name} = {simple(body)}"]
            elif body.tag == XS + "simpleContent":
                attribute = body[0][0]
                assert attribute.get("name") == "Ccy"
                lines = [f"{name} = amount {body[0].get('base')}"]
            else:
                lines = [name + (" |" if body.tag == XS + "choice" else "")]
                for child in body:
                    if child.tag == XS + "any":
                        lines = [f"{name} = any"]
                    else:
                        lines.append(f"  {child.get('name')} {child.get('type')}{occurs(child)}")
            found[name] = "\n".join(lines)
        if document.get("name") == "Document":
            root = [i for i in schema if i.get("name") == "Document" and i.tag == XS + "complexType"][0][0][0]
        else:
            root = document
        roots.append(f"message {message} {root.get('name')} {root.get('type')}")
        found.pop("Document", None)
        for name, text in found.items():
            assert types.setdefault(name, text) == text, (message, name)
    # The plain number behind an amount stands in the amount's own line.
    for name, text in types.items():
        match = re.fullmatch(r"(\w+) = amount (\w+)", text)
        if match:
            types[name] = f"{name} = amount {types[match[2]].split(' = decimal ')[1]}"
    print(NOTATION)
    print("\n".join(roots) + "\n")
    for name in sorted(types):
        if not name.endswith("_SimpleType"):
            print(types[name])


main(sys.argv[1], sys.argv[2:])
