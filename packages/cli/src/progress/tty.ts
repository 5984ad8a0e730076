import { stripVTControlCharacters } from "node:util";
import type { BuildEvent } from "@varve/build";
import { formatBytes } from "../options/quantities.ts";
import type { ProgressRenderer } from "./plain.ts";

/** The terminal; sizes are asked for at each frame, since windows change. */
export interface TtyOptions {
  readonly write: (text: string) => void;
  readonly columns: () => number;
  readonly rows: () => number;
}

interface Step {
  readonly title: string;
  readonly started: number;
  finished?: { readonly time: number; readonly outcome: "done" | "cached" | "failed" | "cancelled"; readonly error?: string };
  readonly transfers: Map<string, { readonly current: number; readonly total?: number }>;
  /** The last lines of output; the newest may be unfinished. */
  readonly lines: string[];
}

const FRAME_MS = 80;
const KEPT_LINES = 60;
/** Output lines shown below a running step. */
const FOLDED_LINES = 6;

/** BuildKit-like: one line a step, live transfers and the last lines of output below running ones; finished steps fold. */
export function createTtyProgress(terminal: TtyOptions): ProgressRenderer {
  const steps = new Map<string, Step>();
  const warnings: string[] = [];
  let drawn = 0;
  let settled = 0;
  const timer = setInterval(() => draw(false), FRAME_MS);
  timer.unref();

  function draw(last: boolean): void {
    const now = Date.now();
    const all = [...steps.values()];
    const isSettled = (step: Step | undefined): boolean => last || step?.finished !== undefined;
    let text = drawn === 0 ? "" : `\u001b[${drawn}A\u001b[0J`;
    // what is finished, with all before it, is written once and scrolls away
    while (settled < all.length && isSettled(all[settled])) {
      const step = all[settled++];
      if (step !== undefined)
        text += renderStep(step, now, terminal.columns(), last)
          .map((line) => `${line}\n`)
          .join("");
    }
    const live = all.slice(settled).flatMap((step) => renderStep(step, now, terminal.columns(), false));
    const room = Math.max(1, terminal.rows() - 1);
    const shown = live.length > room ? live.slice(live.length - room) : live;
    text += shown.map((line) => `${line}\n`).join("");
    drawn = shown.length;
    if (last) for (const warning of warnings) text += `${warning}\n`;
    if (text !== "") terminal.write(text);
  }

  return {
    onProgress(event) {
      note(steps, warnings, event);
    },
    close() {
      clearInterval(timer);
      draw(true);
    },
  };
}

function note(steps: Map<string, Step>, warnings: string[], event: BuildEvent): void {
  if (event.type === "warning") {
    warnings.push(`\u001b[33mWARN: ${event.rule}: ${event.message}\u001b[0m${event.range === undefined ? "" : ` (line ${event.range.start.line})`}`);
    return;
  }
  if (event.type === "step-started") {
    steps.set(event.step, { title: event.title, started: event.time, transfers: new Map(), lines: [] });
    return;
  }
  const step = steps.get(event.step);
  if (step === undefined) return;
  if (event.type === "step-output") addOutput(step, new TextDecoder().decode(event.chunk));
  else if (event.type === "step-note") addOutput(step, `${event.message}\n`);
  else if (event.type === "step-progress") {
    step.transfers.set(event.name, { current: event.current, ...(event.total === undefined ? {} : { total: event.total }) });
  } else {
    step.finished = { time: event.time, outcome: event.outcome, ...(event.error === undefined ? {} : { error: event.error }) };
  }
}

function addOutput(step: Step, text: string): void {
  const parts = stripVTControlCharacters(text).replaceAll("\t", "  ").split("\n");
  const unfinished = step.lines.pop() ?? "";
  parts[0] = unfinished + (parts[0] ?? "");
  // a carriage return starts the line over, as progress bars of tools do
  for (const part of parts) step.lines.push(part.replace(/\r$/, "").replace(/^.*\r/, ""));
  if (step.lines.length > KEPT_LINES) step.lines.splice(0, step.lines.length - KEPT_LINES);
}

function renderStep(step: Step, now: number, columns: number, last: boolean): string[] {
  const { finished } = step;
  const seconds = `${(Math.max(0, (finished?.time ?? now) - step.started) / 1000).toFixed(1)}s`;
  const word =
    finished === undefined
      ? ""
      : finished.outcome === "cached"
        ? "CACHED "
        : finished.outcome === "failed"
          ? "ERROR "
          : finished.outcome === "cancelled"
            ? "CANCELED "
            : "";
  const head = ` => ${word}${step.title}`;
  const line = `${fit(head, columns - seconds.length - 1)} ${seconds}`;
  const color = finished === undefined ? "" : finished.outcome === "failed" || finished.outcome === "cancelled" ? "\u001b[31m" : "\u001b[34m";
  const out = [color === "" ? line : `${color}${line}\u001b[0m`];
  const faint = (text: string): string => `\u001b[2m${fit(text, columns).trimEnd()}\u001b[0m`;
  if (finished === undefined) {
    for (const [name, { current, total }] of step.transfers) {
      if (total === undefined || current < total) out.push(fit(` => => ${name} ${bar(current, total)}`, columns).trimEnd());
    }
  }
  const output = step.lines.filter((text, index) => text !== "" || index < step.lines.length - 1);
  if (finished?.outcome === "failed") out.push(...output.slice(-20).map((text) => faint(` => => # ${text}`)));
  else if (finished === undefined && !last) out.push(...output.slice(-FOLDED_LINES).map((text) => faint(` => => # ${text}`)));
  return out;
}

function bar(current: number, total: number | undefined): string {
  if (total === undefined) return formatBytes(current);
  const cells = Math.min(20, Math.floor((current / Math.max(1, total)) * 20));
  return `[${"=".repeat(cells)}${" ".repeat(20 - cells)}] ${formatBytes(current)} / ${formatBytes(total)}`;
}

/** Cut or padded to exactly `width` columns. */
function fit(text: string, width: number): string {
  if (text.length <= width) return text.padEnd(Math.max(0, width));
  return `${text.slice(0, Math.max(0, width - 1))}…`;
}
