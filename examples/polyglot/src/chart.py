"""A bar for each station, without Spark."""
import csv
import pathlib

out = pathlib.Path(env.outputRootPath)


def bars(rows):
    longest = max(int(row["mm"]) for row in rows)
    return [f"{row['station']:<8} {'#' * (40 * int(row['mm']) // longest)} {row['mm']} mm" for row in rows]


rows = [row for part in sorted((out / "wet").glob("part-*")) for row in csv.DictReader(part.open())]
chart = "\n".join(bars(rows))
(out / "chart.txt").write_text(chart + "\n")
print(chart)
len(rows)
