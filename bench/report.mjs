// The table of a run.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { median } from "./measure.mjs";

const BEGIN = "<!-- bench -->";
const END = "<!-- /bench -->";

/** What it was run on. `load` is the load average before and after. */
export function describeRun({ files, rounds, load }) {
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  return [
    `${files} files, rounds: ${rounds}`,
    `${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, load average ${load[0].toFixed(1)} before and ${load[1].toFixed(1)} after`,
    `Node ${process.version}, commit ${commit}`,
  ].join("; ");
}

/** `results`: `workload\twho` → measurements. Ratios are to varve: above 1, varve is faster, or needs less. */
export function tableOf(results) {
  const lines = ["| workload | who | wall s | CPU s | peak MiB | wall to varve's | peak to varve's |", "|---|---|---|---|---|---|---|"];
  for (const [key, values] of results) {
    const [workload, who] = key.split("\t");
    const of = (list, field) => median(list.map((value) => value[field]));
    const own = results.get(`${workload}\tvarve`);
    const ratio = (field) => (own === undefined || who === "varve" ? "" : (of(values, field) / of(own, field)).toFixed(2));
    const cells = [workload, who.replaceAll("|", "\\|"), of(values, "seconds").toFixed(2), of(values, "cpu").toFixed(2), of(values, "peak").toFixed(0)];
    lines.push(`| ${[...cells, ratio("seconds"), ratio("peak")].join(" | ")} |`);
  }
  return lines.join("\n");
}

/** Puts a report in place of the one a document has between its marks. */
export function writeReport(path, text) {
  const document = readFileSync(path, "utf8");
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${path} has no ${BEGIN} … ${END}`);
  writeFileSync(path, `${document.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${document.slice(end)}`);
}
