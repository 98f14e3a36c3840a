"""Gatus' conditions in our words. Pure."""

from __future__ import annotations

import json
import re

_CONDITION = re.compile(r"(?P<left>.+?)\s*(?P<sign>==|!=|<=|>=|<|>)\s*(?P<right>.*)", re.DOTALL)
_CALL = re.compile(r"(len|has)\((.*)\)", re.DOTALL)
_ANY = re.compile(r"any\((.*)\)", re.DOTALL)
_PATTERN = re.compile(r"pat\((.*)\)", re.DOTALL)
_STEPS = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_WORD = re.compile(r"[\w:@/-]+")
_PLAIN = re.compile(r"[\w.:+/-]+")
_TURNED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_DURATIONS = {"[RESPONSE_TIME]": "latency", "[CERTIFICATE_EXPIRATION]": "certificate"}


class NoEquivalentError(ValueError):
    """A condition that has no equivalent here."""


def converted(text: str, *, dns: bool = False) -> str:
    """Return a condition in our words; "" for what holds anyway. Raises `NoEquivalentError`."""
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        raise NoEquivalentError(text)
    left, sign, right = match["left"].strip(), match["sign"], match["right"].strip()
    if "[" not in left and "[" in right:
        left, right, sign = right, left, _TURNED.get(sign, sign)
    if left == "[CONNECTED]" and (sign, right) == ("==", "true"):
        return ""
    if left in _DURATIONS:
        return f"{_DURATIONS[left]} {sign} {f'{right}ms' if right.isdigit() else right}"
    if call := _CALL.fullmatch(left):
        return _called(call[1], _subject(call[2], dns=False), sign, right)
    subject = _subject(left, dns=dns)
    if subject == "answers" and sign in ("==", "!="):
        return f"answers {'contains' if sign == '==' else 'lacks'} {_value(right)}"
    if found := _ANY.fullmatch(right):
        return _any(subject, sign, found[1])
    if found := _PATTERN.fullmatch(right):
        return _glob(subject, sign, found[1])
    return f"{subject} {sign} {_value(right)}"


def _subject(text: str, *, dns: bool) -> str:
    if text in ("[STATUS]", "[DNS_RCODE]"):
        return "status" if text == "[STATUS]" else "rcode"
    if not text.startswith("[BODY]"):
        raise NoEquivalentError(text)
    if dns and text == "[BODY]":
        return "answers"
    rest = text.removeprefix("[BODY]")
    found = "".join(f"[{index}]" if index else f".{_step(word)}" for word, index in _STEPS.findall(rest))
    return f"body{found}"


def _step(word: str) -> str:
    return word if _WORD.fullmatch(word) else json.dumps(word, ensure_ascii=False)


def _called(function: str, subject: str, sign: str, right: str) -> str:
    if function == "len":
        return f"len({subject}) {sign} {right}"
    if sign not in ("==", "!=") or right not in ("true", "false"):
        raise NoEquivalentError(right)
    return f"{subject} {'exists' if (sign == '==') == (right == 'true') else 'missing'}"


def _any(subject: str, sign: str, listed: str) -> str:
    if sign != "==" or "pat(" in listed:
        raise NoEquivalentError(listed)
    return f"{subject} in {', '.join(_value(each.strip()) for each in listed.split(','))}"


def _glob(subject: str, sign: str, pattern: str) -> str:
    inner = pattern[1:-1]
    if len(pattern) > 2 and pattern[0] == pattern[-1] == "*" and "*" not in inner and "?" not in inner:
        return f"{subject} {'contains' if sign == '==' else 'lacks'} {_quoted(inner)}"
    if sign != "==":
        raise NoEquivalentError(pattern)
    middle = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern)
    whole = "(?s)\\A" + middle + "\\Z"
    return f"{subject} exists" if middle == ".*" else f"{subject} matches {_quoted(whole)}"


def _value(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    if '"' in text and "'" in text:
        raise NoEquivalentError(text)
    return f"'{text}'" if '"' in text else f'"{text}"'
