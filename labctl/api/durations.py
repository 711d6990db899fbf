"""How long something has been there, in kubectl's words (k8s.io/apimachinery/pkg/util/duration, HumanDuration)."""

from __future__ import annotations

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 86400 * 365


def spell_age(born: float | None, now: float) -> str:
    """The age of something at a time, both in seconds since 1970."""
    return "<unknown>" if born is None else spell_duration(now - born)


# Below how many seconds; the large unit, and the small one where that is shown too.
_WORDS = (
    (2 * _MINUTE, (1, "s"), None),
    (10 * _MINUTE, (_MINUTE, "m"), (1, "s")),
    (3 * _HOUR, (_MINUTE, "m"), None),
    (8 * _HOUR, (_HOUR, "h"), (_MINUTE, "m")),
    (2 * _DAY, (_HOUR, "h"), None),
    (8 * _DAY, (_DAY, "d"), (_HOUR, "h")),
    (2 * _YEAR, (_DAY, "d"), None),
    (8 * _YEAR, (_YEAR, "y"), (_DAY, "d")),
)


def spell_duration(seconds: float) -> str:
    """Two figures that matter, and no more: `45s`, `2m30s`, `12m`, `3h5m`, `2d4h`, `1y20d`."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    for bound, (large, large_unit), small in _WORDS:
        if whole < bound:
            rest = whole % large // small[0] if small else 0
            return f"{whole // large}{large_unit}" + (f"{rest}{small[1]}" if small and rest else "")
    return f"{whole // _YEAR}y"


def spell_time(seconds: float | None) -> str | None:
    """RFC 3339 with whole seconds, as metav1.Time is written."""
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
