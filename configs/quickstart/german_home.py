"""A German household: the values that Home Assistant's lists leave open, and how nouns agree.

The templates allow every article before every noun, because a speech recogniser may mishear. For a
data set only sentences are kept in which article and noun agree.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from intent_templates import VALUE_END, VALUE_START


@dataclass(frozen=True)
class Noun:
    """A noun with its gender (m, f, n, or p for a plural) and, for places, its preposition."""

    words: str
    gender: str
    preposition: str = "in"


def _nouns(gender: str, words: str, preposition: str = "in") -> list[Noun]:
    return [Noun(word.strip(), gender, preposition) for word in words.split(",")]


AREAS = (
    _nouns("f", "Küche, Garage, Werkstatt, Diele, Waschküche, Bibliothek, Speisekammer")
    + _nouns("n", "Wohnzimmer, Schlafzimmer, Badezimmer, Bad, Büro, Kinderzimmer, Gästezimmer")
    + _nouns("n", "Arbeitszimmer, Esszimmer, Treppenhaus, Spielzimmer, Gartenhaus, Nähzimmer")
    + _nouns("m", "Flur, Keller, Garten, Hobbyraum, Wintergarten, Heizungskeller")
    + _nouns("m", "Balkon, Dachboden", "auf")
    + _nouns("f", "Terrasse, Galerie", "auf")
)
FLOORS = _nouns("n", "Erdgeschoss, Obergeschoss, Untergeschoss, Dachgeschoss")

# No name is a word that the templates use for a whole class of devices: "das Rollo" would then have
# two meanings.
NAMES = {
    "light": _nouns("f", "Deckenlampe, Stehlampe, Nachttischlampe, Leselampe, Wandleuchte")
    + _nouns("f", "Schreibtischlampe, Lichterkette, Spiegelleuchte, Hängelampe")
    + _nouns("m", "Deckenfluter, Lichtstreifen, Kronleuchter, Strahler")
    + _nouns("n", "Nachtlicht, Außenlicht, Flurlicht, Leselicht"),
    "switch": _nouns("f", "Kaffeemaschine, Steckdose, Heizdecke, Teichpumpe, Waschmaschine")
    + _nouns("m", "Wasserkocher, Trockner, Boiler, Drucker, Luftbefeuchter"),
    "fan": _nouns("m", "Deckenventilator, Tischventilator, Badlüfter, Turmventilator"),
    "cover": _nouns("f", "Südmarkise, Bürojalousie, Dachluke, Balkontür")
    + _nouns("n", "Küchenrollo, Hoftor, Dachfenster, Gartentor, Sonnensegel")
    + _nouns("m", "Türvorhang, Sonnenschirm"),
    "valve": _nouns("n", "Gartenventil, Hauptventil, Wasserventil")
    + _nouns("m", "Wasserhahn, Gashahn"),
    "lock": _nouns("f", "Haustür, Kellertür, Hintertür, Wohnungstür")
    + _nouns("n", "Schuppenschloss, Fahrradschloss"),
    "climate": _nouns("f", "Fußbodenheizung, Wärmepumpe, Badheizung")
    + _nouns("n", "Wandthermostat, Splitgerät"),
    "media_player": _nouns("m", "Fernseher, Lautsprecher, Plattenspieler, Beamer")
    + _nouns("n", "Radio, Küchenradio")
    + _nouns("f", "Stereoanlage, Soundbar"),
    "vacuum": _nouns("m", "Wischroboter, Putzteufel, Robo"),
    "lawn_mower": _nouns("m", "Rasenmäher, Mähroboter"),
    "todo": _nouns("", "Aufgaben, Baumarkt, Wochenmarkt, Urlaub, Haushalt, Geburtstag, Drogerie"),
    "scene": _nouns("", "Filmabend, Gute Nacht, Frühstück, Party, Leseecke, Romantik"),
    "script": _nouns("", "Haus verlassen, Feierabend, Morgenroutine, Urlaubsmodus"),
    "button": _nouns("f", "Türklingel, Garagentaste") + _nouns("m", "Notruf, Neustart"),
    "weather": _nouns("", "Berlin, Hamburg, Köln, Leipzig, Wien, Zürich, Dresden, Kiel"),
}
NAMES["input_button"] = NAMES["button"]
NAMES["input_boolean"] = NAMES["switch"]

DEVICE_CLASSES = {
    "f": "Markise Beschattung Jalousie Gardine Tür Garagentür",
    "n": "Rollo Garagentor Tor Fenster",
    "m": "Vorhang Schirm Rolladen Rollladen",
    "p": "Markisen Beschattungen Jalousien Rollos Gardinen Vorhänge Türen Garagentüren "
    "Garagentore Tore Schirme Rolläden Rollläden Fenster",
}

WILDCARDS = {
    "shopping_list_item": "Milch, Brot, Eier, Butter, Äpfel, Bananen, Käse, Nudeln, Reis, Tomaten, "
    "Kaffee, Mehl, Zucker, Joghurt, Kartoffeln, Zwiebeln, Olivenöl, Spülmittel, Klopapier, Honig",
    "todo_list_item": "Müll rausbringen, Blumen gießen, Schrauben, Steuererklärung, Fenster putzen, "
    "Zahnarzt anrufen, Reifen wechseln, Geschenk kaufen, Keller aufräumen, Rechnung bezahlen",
    "timer_name": "Pizza, Nudeln, Tee, Kuchen, Wäsche, Reis, Eier, Brot, Yoga, Pause, Backofen",
    "search_query": "Mozart, Jazz, Beethoven, Tatort, Nachrichten, Udo Lindenberg, Klassik, Bach, "
    "Die Ärzte, Kraftwerk, Helene Fischer, Weihnachtslieder, Reggae, Nena",
}

# Narrower than the lists' own ranges: what people say, not what a device accepts.
NUMBERS = {
    "temperature": range(16, 27),
    "position": range(5, 100, 5),
    "fan_speed": range(10, 100, 5),
    "brightness": range(5, 100, 5),
    "color_temperature": range(2000, 6600, 100),
    "volume_level": range(5, 100, 5),
    "volume_step_up": range(5, 45, 5),
    "volume_step_down": range(-40, 0, 5),
    "timer_hours": range(1, 13),
    "timer_minutes": range(1, 60),
    "timer_seconds": range(5, 60, 5),
}

_ARTICLES = {
    "f": {"der", "die"},
    "m": {"der", "den", "dem", "vom"},
    "n": {"das", "dem", "vom"},
    "p": {"die", "der", "den"},
    "": set(),
}
_PLACES = {
    ("f", "in"): {"in der", "der"},
    ("n", "in"): {"im", "in dem"},
    ("m", "in"): {"im", "in dem"},
    ("f", "auf"): {"auf der", "der"},
    ("m", "auf"): {"auf dem"},
}
_PREPOSITIONS = {"in", "an", "bei", "auf", "von"}
_DETERMINERS = {"der", "die", "das", "dem", "den", "des", "im", "am", "vom"}
_UNITS = re.compile(r"\b(\d+) (Stunde|Minute|Sekunde)(n?)\b(?! Timer)")
_JOINED = re.compile(f"{VALUE_END}[^\\W\\d]")
_REPEATED = re.compile(r"geschoss ?geschoss", re.IGNORECASE)


def household(rng: random.Random, kind: str, domains: list[str]) -> str:
    """A value for the lists that the templates leave open: `area`, `floor` and `name`."""
    if kind == "area":
        return rng.choice(AREAS).words
    if kind == "floor":
        return rng.choice(FLOORS).words
    return rng.choice(NAMES[rng.choice(domains)]).words


def wildcard(rng: random.Random, kind: str) -> str:
    """A value for a list that takes any words."""
    return rng.choice([words.strip() for words in WILDCARDS[kind].split(",")])


def agrees(sentence: str) -> bool:
    """Whether the articles and prepositions before every marked value, and units, are right."""
    for number, _, plural in _UNITS.findall(without_marks(sentence)):
        if (number == "1") == bool(plural):
            return False
    if _JOINED.search(sentence) or _REPEATED.search(without_marks(sentence)):
        return False
    return all(_value_agrees(match) for match in _matches(sentence))


def without_marks(sentence: str) -> str:
    """The sentence as it is said."""
    return sentence.replace(VALUE_START, "").replace(VALUE_END, "")


def _matches(sentence: str) -> list[tuple[str, str, str]]:
    """For each value: the two words before it, in lower case, and the value."""
    found = []
    for match in re.finditer(f"{VALUE_START}([^{VALUE_END}]*){VALUE_END}", sentence):
        before = without_marks(sentence[: match.start()]).lower().split()
        found.append((*(["", "", *before][-2:]), match.group(1)))
    return found


def _value_agrees(match: tuple[str, str, str]) -> bool:
    second, first, value = match
    if place := _PLACE_NOUNS.get(value):
        if first in _PREPOSITIONS:
            return False
        if first not in _DETERMINERS:
            return True
        phrase = f"{second} {first}" if second in _PREPOSITIONS else first
        return phrase in _PLACES[(place.gender, place.preposition)]
    genders = _GENDERS.get(value)
    if genders is None or first not in _DETERMINERS:
        return True
    return any(first in _ARTICLES[gender] for gender in genders)


def _genders() -> dict[str, set[str]]:
    """Genders of every device name and device class."""
    table: dict[str, set[str]] = {}
    for nouns in NAMES.values():
        for noun in nouns:
            table.setdefault(noun.words, set()).add(noun.gender)
    for gender, words in DEVICE_CLASSES.items():
        for word in words.split():
            table.setdefault(word, set()).add(gender)
    for words in WILDCARDS.values():
        for value in words.split(","):
            table.setdefault(value.strip(), set()).add("")
    return table


_GENDERS = _genders()
_PLACE_NOUNS = {noun.words: noun for noun in [*AREAS, *FLOORS]}
