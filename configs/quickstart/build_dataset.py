#!/usr/bin/env python3
"""Builds the quickstart's data: German home-automation commands and their intent as JSON.

The sentence templates come from the package home-assistant-intents (Apache-2.0), fetched with pip
and checked against a pinned SHA-256. Training and held-out samples come from different templates, so
that the held-out score is about phrasings never seen in training. The result depends on the seed
alone. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "reference"))

from german_home import NUMBERS, agrees, household, wildcard, without_marks  # noqa: E402
from intent_templates import Node, Sampler, parse  # noqa: E402
from pinned_wheel import FetchError, Wheel, cache_dir, fetch_member  # noqa: E402

WHEEL = Wheel(
    name="home-assistant-intents",
    version="2026.10.27",
    sha256="256eb1e4fc6e6f4943d0ba4e089c9639d74d0e9d62ccddeb7148bc168de55e40",
)
MEMBER = "home_assistant_intents/data/de.json"
MEMBER_SHA256 = "e4f72dde27bee2f04225ec5716c8776c5f95310022cb7668af5929e0056df7a7"

SYSTEM_PROMPT = "Befehl zu JSON."
INTENTS = (
    "HassCancelTimer",
    "HassClimateGetTemperature",
    "HassClimateSetTemperature",
    "HassFanSetSpeed",
    "HassGetCurrentTime",
    "HassGetWeather",
    "HassLightSet",
    "HassListAddItem",
    "HassMediaSearchAndPlay",
    "HassSetPosition",
    "HassSetVolume",
    "HassShoppingListAddItem",
    "HassStartTimer",
    "HassTurnOff",
    "HassTurnOn",
    "HassVacuumStart",
)
HELD_OUT_SHARE = 0.15
TRIES = 400


@dataclass(frozen=True)
class Template:
    """One sentence template with what its data block says about it."""

    intent: str
    text: str
    fixed_slots: tuple[tuple[str, str], ...]
    domains: tuple[str, ...]

    @property
    def group(self) -> tuple[str, str]:
        """Templates of one group fill the same slots: the held-out ones must have company."""
        lists = sorted({part.split("}")[0] for part in self.text.split("{")[1:]})
        rules = sorted(rule for rule in ("<area>", "<floor>", "<name>") if rule in self.text)
        return self.intent, json.dumps([lists, rules, self.fixed_slots])


@dataclass(frozen=True)
class Sample:
    """A command and its intent."""

    utterance: str
    answer: str
    template: Template

    def line(self) -> str:
        """The sample as a JSONL line in the messages format."""
        messages = [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": self.utterance},
            {"role": "assistant", "content": self.answer},
        ]
        return json.dumps({"messages": messages}, ensure_ascii=False)


class Builder:
    """Draws samples from templates with one random stream."""

    def __init__(self, language: dict[str, Any], seed: int) -> None:
        self.rng = random.Random(seed)
        self._lists = language["lists"]
        self._domains: tuple[str, ...] = ()
        self._sampler = Sampler(language["expansion_rules"], self._value, self.rng)
        self._parsed: dict[str, Node] = {}

    def draw(self, template: Template) -> Sample | None:
        """One sample whose words agree, or None when none is found in `TRIES` draws."""
        node = self._parsed.setdefault(template.text, parse(template.text))
        self._domains = template.domains
        for _ in range(TRIES):
            draft = self._sampler.draw(node)
            if agrees(draft.sentence):
                slots = dict(sorted({**dict(template.fixed_slots), **draft.slots}.items()))
                answer = {"intent": template.intent, "slots": slots}
                text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
                return Sample(without_marks(draft.sentence), text, template)
        return None

    def _value(self, name: str) -> tuple[str, object]:
        """Words and slot value for a list."""
        if name in ("area", "floor", "name"):
            words = household(self.rng, name, list(self._domains))
            return words, words
        if name in NUMBERS:
            number = self.rng.choice(NUMBERS[name])
            return str(abs(number)), number
        entry = self._lists[name]
        if entry.get("wildcard"):
            words = wildcard(self.rng, name)
            return words, words
        value = self.rng.choice(entry["values"])
        draft = self._sampler.draw(parse(value["in"]))
        return draft.sentence, value["out"]


def templates_of(language: dict[str, Any]) -> list[Template]:
    """Every usable template of the chosen intents, in a fixed order, each once."""
    found: dict[tuple[str, str], Template] = {}
    for intent in INTENTS:
        for block in language["intents"][intent]["data"]:
            domains = block.get("requires_context", {}).get("domain", ["light", "switch"])
            slots = tuple(sorted(block.get("slots", {}).items()))
            for text in block["sentences"]:
                # Commands inside commands and lists with no natural German values are left out.
                if "timer_command" not in text and "media_class" not in text:
                    found.setdefault((intent, text), Template(intent, text, slots, tuple(domains)))
    return list(found.values())


def split(templates: list[Template], rng: random.Random) -> tuple[list[Template], list[Template]]:
    """Training and held-out templates; every group keeps at least one in training."""
    groups: dict[tuple[str, str], list[Template]] = {}
    for template in templates:
        groups.setdefault(template.group, []).append(template)
    train, held_out = [], []
    debt = 0.0
    for key in sorted(groups):
        members = groups[key]
        rng.shuffle(members)
        debt += HELD_OUT_SHARE * len(members)
        count = min(int(debt), len(members) - 1)
        debt -= count
        held_out += members[:count]
        train += members[count:]
    return train, held_out


def draw_samples(builder: Builder, templates: list[Template], count: int) -> list[Sample]:
    """About `count` different samples, taking the templates in turn within turns of the intents."""
    by_intent: dict[str, list[Template]] = {}
    for template in templates:
        by_intent.setdefault(template.intent, []).append(template)
    shares = {intent: len(members) ** 0.5 for intent, members in by_intent.items()}
    samples: dict[str, Sample] = {}
    for intent in sorted(by_intent):
        wanted = round(count * shares[intent] / sum(shares.values()))
        samples |= _draw_intent(builder, by_intent[intent], wanted)
    return list(samples.values())


def _draw_intent(builder: Builder, templates: list[Template], wanted: int) -> dict[str, Sample]:
    """Up to `wanted` different samples of one intent, by utterance."""
    drawn: dict[str, Sample] = {}
    order = list(templates)
    builder.rng.shuffle(order)
    for turn in range(wanted * 4):
        if len(drawn) >= wanted:
            break
        sample = builder.draw(order[turn % len(order)])
        if sample is not None:
            drawn.setdefault(sample.utterance.lower(), sample)
    return drawn


def build(language: dict[str, Any], seed: int, counts: tuple[int, int]) -> tuple[list, list]:
    """Training and held-out samples with no utterance in both and none with two meanings."""
    builder = Builder(language, seed)
    train_templates, held_out_templates = split(templates_of(language), builder.rng)
    held_out = draw_samples(builder, held_out_templates, counts[1])
    train = draw_samples(builder, train_templates, counts[0])
    meanings: dict[str, set[str]] = {}
    for sample in train + held_out:
        meanings.setdefault(sample.utterance.lower(), set()).add(sample.answer)
    unclear = {utterance for utterance, answers in meanings.items() if len(answers) > 1}
    seen = unclear | {sample.utterance.lower() for sample in held_out}
    held_out = [sample for sample in held_out if sample.utterance.lower() not in unclear]
    train = [sample for sample in train if sample.utterance.lower() not in seen]
    builder.rng.shuffle(train)
    builder.rng.shuffle(held_out)
    return train, held_out


def write_lines(path: Path, samples: list[Sample]) -> None:
    """Writes a JSONL file; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".jsonl.new")
    scratch.write_text("".join(sample.line() + "\n" for sample in samples), encoding="utf-8")
    scratch.replace(path)


def report(name: str, samples: list[Sample]) -> str:
    """A line of counts."""
    templates = {sample.template for sample in samples}
    characters = sum(len(sample.utterance) + len(sample.answer) for sample in samples)
    return (
        f"{name}: {len(samples)} samples of {len(templates)} templates, "
        f"{len({sample.template.intent for sample in samples})} intents, "
        f"{characters / len(samples):.0f} characters each"
    )


def main() -> int:
    """Builds the two files and prints counts, or a message and 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    root = Path(__file__).resolve().parent.parent.parent
    parser.add_argument("--out", type=Path, default=root / "quickstart" / "data")
    parser.add_argument("--train", type=int, default=2000, help="training samples, about")
    parser.add_argument("--holdout", type=int, default=250, help="held-out samples, about")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    try:
        target = cache_dir() / "data" / "home-assistant-intents-de.json"
        language = json.loads(fetch_member(WHEEL, MEMBER, MEMBER_SHA256, target).read_bytes())
        train, held_out = build(language, arguments.seed, (arguments.train, arguments.holdout))
        write_lines(arguments.out / "train.jsonl", train)
        write_lines(arguments.out / "holdout.jsonl", held_out)
    except (FetchError, OSError) as error:
        print(f"build_dataset.py: {error}", file=sys.stderr)
        return 1
    print(report("train.jsonl", train))
    print(report("holdout.jsonl", held_out))
    intents = Counter(sample.template.intent for sample in held_out)
    print("held out by intent:", ", ".join(f"{name} {count}" for name, count in intents.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
