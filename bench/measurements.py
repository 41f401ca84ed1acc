# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured in one round, and which ratios come of it."""

import statistics

import blackout
import conntrackd
import peers
from place import Place
from svg import short

PERCENT = 1                 # of the connections change, unless said otherwise
PERCENTS = (0.1, 1, 10)     # at the largest size
REPEATED = 3
ROW_BY_ROW_LIMIT = 10000    # rows; more take minutes and tell nothing new


def changed_at(rows, percent=PERCENT):
    return max(1, round(rows * percent / 100))


def one_size(rows, equal, percents):
    """Everything on the same connections, one after the other. The others come first: with vmmigd there, they would pay for the
    events that it listens to. equal: so many change as at the largest size, besides the percents."""
    with Place() as place:
        place.open(rows)
        place.check("a")
        result = {"dumpRestore": peers.dump_and_restore(place), "raw": peers.raw(place, changed_at(rows)),
                  "conntrackd": conntrackd.commit(place)}
        migrations = blackout.Migrations(place).start()
        result["warm"] = {PERCENT: _usual(migrations, changed_at(rows))}
        result["cold"] = migrations.cold()
        for percent in percents:
            if percent != PERCENT:
                result["warm"][percent] = _usual(migrations, changed_at(rows, percent))
        result["equal"] = result["warm"][PERCENT] if changed_at(rows) == equal else _usual(migrations, equal)
        if rows <= ROW_BY_ROW_LIMIT:
            result["rowByRow"] = peers.row_by_row(place)
    return result


def _usual(migrations, changed):
    """Of a few migrations the one in the middle: a stop of milliseconds is easily disturbed. The first tells what memory it takes."""
    several = [migrations.warm(changed) for _ in range(REPEATED)]
    return sorted(several, key=lambda each: each["ms"])[REPEATED // 2] | {"bytesPerRow": several[0]["bytesPerRow"]}


def one_round(sizes, told):
    results = {}
    for rows in sizes:
        told(f"{rows} connections")
        percents = PERCENTS if rows == sizes[-1] else (PERCENT,)
        results[rows] = one_size(rows, changed_at(sizes[-1]), percents)
    return results


def ratios_of(results):
    """{name: ratio} of one round."""
    ratios = {}
    for rows, result in results.items():
        label, raw, added = short(rows), result["raw"], result["warm"][PERCENT]["ms"]
        ratios |= _against(result, added, label)
        ratios[f"blackoutOverRawChanged{label}"] = added / raw["changedMs"]
        ratios[f"coldOverRaw{label}"] = result["cold"]["ms"] / raw["allMs"]
        for percent, warm in result["warm"].items():
            if percent != PERCENT:
                ratios |= _against(result, warm["ms"], f"{label}Changed{percent:g}Percent")
    sizes = list(results)
    for rows in sizes[:-1]:
        ratios[f"blackout{short(sizes[-1])}Over{short(rows)}"] = results[sizes[-1]]["equal"]["ms"] / results[rows]["equal"]["ms"]
    memory = results[sizes[-1]]["warm"][PERCENT]["bytesPerRow"]
    ratios |= {"bytesPerConnection": memory["source"], "bytesPerConnectionDestination": memory["destination"]}
    return ratios


def _against(result, added, label):
    """The others' time in the stop as multiples of ours."""
    others = {"dumpRestore": result["dumpRestore"]["ms"], "rawAll": result["raw"]["allMs"], "conntrackd": result["conntrackd"]["ms"]}
    if "rowByRow" in result:
        others["rowByRow"] = result["rowByRow"]["ms"]
    return {f"{name}OverBlackout{label}": milliseconds / added for name, milliseconds in others.items()}


def spread(values):
    """(median, least, greatest)."""
    values = list(values)
    return statistics.median(values), min(values), max(values)


def over_rounds(rounds):
    """{name: spread} of the numbers in a list of {name: number}."""
    return {name: spread(each[name] for each in rounds if name in each) for name in rounds[0]}
