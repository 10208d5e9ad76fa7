"""XML as text: numbers with all their digits, comments that cannot break out."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np


def number(value: object) -> str:
    """A value as an attribute: whole numbers as such, others with every digit."""
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return repr(float(value))
    return str(value)


def row(parent: ET.Element, tag: str, **attributes: object) -> ET.Element:
    """A new element under `parent`."""
    return ET.SubElement(parent, tag, {k: number(v) for k, v in attributes.items()})


def comment(words: str) -> Any:
    """A comment; two dashes in a row would end it."""
    return ET.Comment(f" {re.sub('-{2,}', '-', words)} ")


def render(root: ET.Element) -> str:
    """The whole file."""
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
