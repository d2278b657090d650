# SPDX-License-Identifier: MIT
"""What was measured: medians over the rounds, ratios, the JSON file and the table."""

import os
import statistics
import tempfile
import typing

BEGIN_MARKER = "<!-- peers:begin -->"
END_MARKER = "<!-- peers:end -->"
ENCODER_MARKERS = ("<!-- encoder-peers:begin -->", "<!-- encoder-peers:end -->")


class Sample(typing.NamedTuple):
    """One round of one peer at one case; seconds of one pass."""
    median: float
    spread: float  # between the first and the third quartile
    repeats: int


class Column(typing.NamedTuple):
    """Somebody who does the work."""
    name: str        # "PyTorch 2.15.0 eager"
    title: str       # above the table's column: "PyTorch eager"
    ours: bool
    whole: bool      # whether it does all of the work, so that it can be the best peer


def quartile_distance(values):
    ordered = sorted(values)
    return ordered[3 * len(ordered) // 4] - ordered[len(ordered) // 4]


def sample_of(times):
    return Sample(statistics.median(times), quartile_distance(times), len(times))


def combine(rounds):
    """One sample of all rounds. Its spread: inside a round, or from round to round if that is
    more, for a machine drifts."""
    medians = [one.median for one in rounds]
    inside = statistics.median(one.spread for one in rounds)
    return Sample(statistics.median(medians), max(inside, quartile_distance(medians)),
                  sum(one.repeats for one in rounds))


class Results:
    """All of a run. `peaks`: {threads: GFLOP/s}, the best that was seen."""

    def __init__(self, machine, date, command):
        self.machine = machine
        self.date = date
        self.command = command
        self.notes = []    # sentences below the table's heading
        self.peaks = {}
        self.flops = {}    # {case: FLOP of a pass}, where the case does not know them itself
        self.columns = []
        self.skipped = []  # sentences: who, and why
        self._rounds = {}  # {(case, threads): {column: [Sample]}}, in the order of measuring

    def add(self, case, threads, column, sample):
        if column not in self.columns:
            self.columns.append(column)
        self._rounds.setdefault((case, threads), {}).setdefault(column, []).append(sample)

    def skip(self, sentence):
        if sentence not in self.skipped:
            self.skipped.append(sentence)

    def see_peak(self, threads, gflops):
        self.peaks[threads] = max(gflops, self.peaks.get(threads, 0.0))

    def see_flop(self, case, flop):
        self.flops[case] = flop

    def lines(self):
        """(case, threads, {column: Sample}) for each line of the table."""
        for (case, threads), columns in self._rounds.items():
            yield case, threads, {c: combine(rounds) for c, rounds in columns.items()}

    # ---- JSON --------------------------------------------------------------------------------

    def as_json(self):
        rows = {False: [], True: []}
        for case, threads, columns in self.lines():
            for column, sample in columns.items():
                rows[column.ours].append(json_row(case, threads, column, sample))
        return {
            "machine": self.machine,
            "date": self.date,
            "command": self.command,
            "peak_gflops": self.peaks[max(self.peaks)] if self.peaks else None,
            "peaks": [{"threads": t, "gflops": g} for t, g in sorted(self.peaks.items())],
            "rows": rows[False],
            "ours": rows[True],
            "skipped": self.skipped,
        }

    # ---- Markdown ----------------------------------------------------------------------------

    def as_markdown(self):
        peaks = ", ".join(f"{gflops:.1f} GFLOP/s with {count_of(threads, 'thread')}"
                          for threads, gflops in sorted(self.peaks.items()))
        text = [f"{self.machine}; {self.date}  ", f"measured peak: {peaks or 'none'}  ",
                f"command: `{self.command}`", "", *self.notes, ""]
        text += [f"* {column.name}" for column in self.columns]
        text += ["", *self.table()]
        if self.skipped:
            text += ["", "Not measured:", "", *(f"* {sentence}" for sentence in self.skipped)]
        return "\n".join(text) + "\n"

    def table(self):
        """Times, or rates, as the shape shows them; the fastest of each line in bold."""
        columns = sorted(self.columns, key=lambda column: column.ours)
        heads = next((case.shape.HEADS for case, _, _ in self.lines()), ())
        head = ["pass", *heads, "threads", *(c.title for c in columns),
                "best peer ÷ ours", "of peak"]
        body = []
        for case, threads, samples in self.lines():
            first = min(samples.values(), default=None)
            cells = [case.pass_name, *case.shape.cells(), str(threads)]
            for column in columns:
                sample = samples.get(column)
                cell = case.shape.figure(sample.median) if sample else "–"
                cells.append(f"**{cell}**" if first and samples.get(column) == first else cell)
            ratio = ours_against_best(samples)
            share = share_of_peak(case.flop() or self.flops.get(case), samples,
                                  self.peaks.get(threads))
            body.append(cells + [f"{ratio:.2f}" if ratio else "–",
                                 f"{share:.2f}" if share else "–"])
        return align(head, body)


def count_of(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def json_row(case, threads, column, sample):
    return {
        "peer": column.name,
        "pass": case.pass_name,
        **case.shape.as_json(),
        "threads": threads,
        "median_s": six_digits(sample.median),
        "spread_s": six_digits(sample.spread),
        "repeats": sample.repeats,
    }


def six_digits(value):
    return float(f"{value:.6g}")


def best(samples, ours):
    """The least median of ours, or of those peers that do the whole work; None without any."""
    medians = [sample.median for column, sample in samples.items()
               if column.ours == ours and column.whole]
    return min(medians, default=None)


def ours_against_best(samples):
    """How many times faster ours is than the fastest peer; None where either is missing."""
    mine, theirs = best(samples, True), best(samples, False)
    return theirs / mine if mine and theirs else None


def share_of_peak(flop, samples, peak):
    mine = best(samples, True)
    return 1e-9 * flop / mine / peak if mine and peak and flop else None


def align(head, body):
    """A Markdown table that also reads well as plain text: words left, numbers right."""
    # A rule is at least a dash and a colon.
    widths = [max(2, *(len(row[i]) for row in [head, *body])) for i in range(len(head))]
    words = {"pass", "activation", "batch"}
    rule = [f":{'-' * (w - 1)}" if h in words else f"{'-' * (w - 1)}:"
            for h, w in zip(head, widths)]

    def line(cells):
        padded = [cell.ljust(w) if h in words else cell.rjust(w)
                  for h, cell, w in zip(head, cells, widths)]
        return f"| {' | '.join(padded)} |"
    return [line(head), line(rule), *map(line, body)]


# ---- files -----------------------------------------------------------------------------------

def write_file(path, text):
    """The whole file or none of it."""
    folder = os.path.dirname(os.path.abspath(path))
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=os.path.basename(path) + ".")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def replace_between_markers(page, text, markers=(BEGIN_MARKER, END_MARKER)):
    """The page with `text` between its markers; ValueError when it does not have them."""
    before, begin, rest = page.partition(markers[0])
    _, end, after = rest.partition(markers[1])
    if not begin or not end:
        raise ValueError(f"expected the lines {markers[0]} and {markers[1]}")
    return f"{before}{begin}\n\n{text}\n{end}{after}"
