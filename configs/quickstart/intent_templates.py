"""Sentence templates of Home Assistant's intents: parsing, and drawing one sentence from them.

The syntax: `[x]` may be left out, `(a|b)` is a choice, `(a;b)` is both in any order, `<rule>` stands
for another template, `{list}` or `{list:slot}` for a value. Both groups nest.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

# Values are put between these marks while a sentence is drawn, so that the words before them can
# be checked.
VALUE_START, VALUE_END = "\x02", "\x03"

TOKEN = re.compile(r"\\.|[\[\]()|;]|<[^>]*>|\{[^}]*\}|[^\\\[\]()|;<{]+")


@dataclass(frozen=True)
class Node:
    """One part of a template: `kind` is text, sequence, choice, permutation, rule or list."""

    kind: str
    text: str = ""
    parts: tuple["Node", ...] = ()


@dataclass
class Draft:
    """A sentence being drawn: its pieces, and the slots filled on the way."""

    pieces: list[str] = field(default_factory=list)
    slots: dict[str, object] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """The sentence with single spaces, marks still around the values."""
        return re.sub(r"\s+", " ", "".join(self.pieces)).strip()


def parse(template: str) -> Node:
    """The tree of a template; raises ValueError when its brackets do not match."""
    tokens = TOKEN.findall(template)
    node, position = _group(tokens, 0, closing="")
    if position != len(tokens):
        raise ValueError(f"unbalanced brackets in template {template!r}")
    return node


def _group(tokens: list[str], position: int, closing: str) -> tuple[Node, int]:
    """The parts up to `closing`: a sequence, a choice (`|`) or a permutation (`;`)."""
    branches: list[list[Node]] = [[]]
    separator = "|"
    while position < len(tokens) and tokens[position] != closing:
        token = tokens[position]
        position += 1
        if token in ("|", ";"):
            separator = token
            branches.append([])
        elif token in ("(", "["):
            node, position = _group(tokens, position, ")" if token == "(" else "]")
            if position >= len(tokens):
                raise ValueError("a bracket is not closed")
            position += 1
            optional = Node("choice", parts=(node, Node("text")))
            branches[-1].append(node if token == "(" else optional)
        else:
            branches[-1].append(_leaf(token))
    sequences = tuple(Node("sequence", parts=tuple(branch)) for branch in branches)
    if len(sequences) == 1:
        return sequences[0], position
    return Node("choice" if separator == "|" else "permutation", parts=sequences), position


def _leaf(token: str) -> Node:
    """A reference or plain text."""
    if token[0] == "<":
        return Node("rule", token[1:-1])
    if token[0] == "{":
        return Node("list", token[1:-1])
    if token in ")]":
        raise ValueError("a bracket is closed that was not opened")
    return Node("text", token[1:] if token[0] == "\\" else token)


class Sampler:
    """Draws sentences. `value_of(list)` gives the words of a value and what its slot holds."""

    def __init__(
        self,
        rules: dict[str, str],
        value_of: Callable[[str], tuple[str, object]],
        rng: random.Random,
    ) -> None:
        self._rules = {name: parse(template) for name, template in rules.items()}
        self._value_of = value_of
        self._rng = rng

    def draw(self, template: Node) -> Draft:
        """One sentence of the template with its slots."""
        draft = Draft()
        self._draw(template, draft)
        return draft

    def _draw(self, node: Node, draft: Draft) -> None:
        if node.kind == "text":
            draft.pieces.append(node.text)
        elif node.kind == "rule":
            self._draw(self._rules[node.text], draft)
        elif node.kind == "list":
            name, _, slot = node.text.partition(":")
            words, draft.slots[slot or name] = self._value_of(name)
            draft.pieces.append(f"{VALUE_START}{words}{VALUE_END}")
        elif node.kind == "choice":
            self._draw(self._rng.choice(node.parts), draft)
        else:
            parts = list(node.parts)
            if node.kind == "permutation":
                self._rng.shuffle(parts)
            for index, part in enumerate(parts):
                if index and node.kind == "permutation":
                    draft.pieces.append(" ")
                self._draw(part, draft)
