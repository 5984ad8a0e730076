import { stripVTControlCharacters } from "node:util";
import type { BuildEvent } from "@varve/build";
import { formatBytes } from "../options/quantities.ts";
import { fit } from "./display-width.ts";
import type { ProgressRenderer } from "./plain.ts";
import { type Warning, warningList } from "./warning-list.ts";

/** The terminal; sizes are asked for at each frame, since windows change. */
export interface TtyOptions {
  readonly write: (text: string) => void;
  readonly columns: () => number;
  readonly rows: () => number;
  /** Tells what the rules of warnings are about. */
  readonly debug: boolean;
}

/** A line below a step that stays: a transfer, or a part of its work. */
interface Detail {
  readonly started: number;
  readonly text: string;
  /** Milliseconds since the epoch; absent while it goes on. */
  readonly ended?: number;
}

interface Step {
  readonly title: string;
  readonly started: number;
  finished?: { readonly time: number; readonly outcome: "done" | "cached" | "failed" | "cancelled" };
  readonly details: Map<string, Detail>;
  /** The last lines of output; the newest may be unfinished. */
  readonly lines: string[];
  readonly decoder: InstanceType<typeof TextDecoder>;
}

const FRAME_MS = 80;
/** Output lines shown below a running step. */
const FOLDED_LINES = 6;

/**
 * Like BuildKit's: a head with the count, one line a step, live transfers and the last lines of output below running ones; finished steps fold. What
 * doesn't fit the window is left out from the top until the end, when everything is written.
 */
export function createTtyProgress(terminal: TtyOptions): ProgressRenderer {
  const steps = new Map<string, Step>();
  const warnings: Warning[] = [];
  let drawn = 0;
  let began: number | undefined;
  const timer = setInterval(() => draw(false), FRAME_MS);
  timer.unref();

  function draw(last: boolean): void {
    if (began === undefined) return;
    const now = Date.now();
    const columns = terminal.columns();
    const all = [...steps.values()];
    const blocks = all.map((step) => ({ finished: step.finished !== undefined, lines: renderStep(step, now, columns) }));
    const lines = last ? blocks.flatMap((block) => block.lines) : fitting(blocks, Math.max(1, terminal.rows() - 2));
    const finished = all.filter((step) => step.finished !== undefined).length;
    const head = `[+] Building ${seconds(now - began)} (${finished}/${all.length})${last && finished === all.length ? " FINISHED" : ""}`;
    const text = [fit(head, columns).trimEnd(), ...lines].map((line) => `${line}\n`).join("");
    terminal.write(`${drawn === 0 ? "" : `\u001b[${drawn}A\u001b[0J`}${text}`);
    drawn = lines.length + 1;
  }

  return {
    onProgress(event) {
      if (event.type === "warning") {
        warnings.push(event);
        return;
      }
      began ??= event.time;
      note(steps, event);
    },
    close() {
      clearInterval(timer);
      draw(true);
      terminal.write(warningList(warnings, { expanded: terminal.debug, paint: (text) => `\u001b[33m${text}\u001b[0m` }));
    },
  };
}

/** As much as has room: the oldest finished steps go first. */
function fitting(blocks: readonly { readonly finished: boolean; readonly lines: readonly string[] }[], room: number): readonly string[] {
  let excess = blocks.reduce((sum, block) => sum + block.lines.length, 0) - room;
  const kept = blocks.flatMap((block) => {
    if (!block.finished || excess <= 0) return block.lines;
    excess -= block.lines.length;
    return [];
  });
  return kept.slice(-room);
}

function note(steps: Map<string, Step>, event: Exclude<BuildEvent, { readonly type: "warning" }>): void {
  if (event.type === "step-started") {
    steps.set(event.step, { title: event.title, started: event.time, details: new Map(), lines: [], decoder: new TextDecoder() });
    return;
  }
  const step = steps.get(event.step);
  if (step === undefined) return;
  const detail = (name: string, text: string, ended: boolean): void => {
    step.details.set(name, { started: step.details.get(name)?.started ?? event.time, text, ...(ended ? { ended: event.time } : {}) });
  };
  switch (event.type) {
    case "step-output":
      return addOutput(step, step.decoder.decode(event.chunk, { stream: true }));
    case "step-note":
      return detail(event.message, event.message, true);
    case "step-part":
      return detail(event.name, event.name, event.done);
    case "step-progress":
      return detail(event.name, `${event.name} ${transfer(event.current, event.total)}`, event.total !== undefined && event.current >= event.total);
    case "step-finished":
      step.finished = { time: event.time, outcome: event.outcome };
  }
}

function addOutput(step: Step, text: string): void {
  const parts = stripVTControlCharacters(text).replaceAll("\t", "  ").split("\n");
  const unfinished = step.lines.pop() ?? "";
  parts[0] = unfinished + (parts[0] ?? "");
  // a carriage return starts the line over, as progress bars of tools do
  for (const part of parts) step.lines.push(part.replace(/\r$/, "").replace(/^.*\r/, ""));
  if (step.lines.length > FOLDED_LINES + 1) step.lines.splice(0, step.lines.length - FOLDED_LINES - 1);
}

const WORDS = { done: "", cached: "CACHED ", failed: "ERROR ", cancelled: "CANCELED " };

function renderStep(step: Step, now: number, columns: number): string[] {
  const { finished } = step;
  const head = timed(` => ${finished === undefined ? "" : WORDS[finished.outcome]}${step.title}`, (finished?.time ?? now) - step.started, columns);
  const failed = finished?.outcome === "failed" || finished?.outcome === "cancelled";
  const paint = (code: number, text: string): string => `\u001b[${code}m${text}\u001b[0m`;
  const out = [finished === undefined ? head : paint(failed ? 31 : 34, head)];
  for (const { started, text, ended } of step.details.values()) {
    const line = timed(` => => ${text}`, (ended ?? finished?.time ?? now) - started, columns);
    out.push(finished === undefined ? line : paint(failed ? 31 : 34, line));
  }
  // of a failed step the error tells the last lines
  if (finished !== undefined) return out;
  const output = step.lines.filter((text, index) => text !== "" || index < step.lines.length - 1);
  return [...out, ...output.slice(-FOLDED_LINES).map((text) => paint(2, fit(` => => # ${text}`, columns).trimEnd()))];
}

/** A line with its time at the right edge. */
function timed(text: string, milliseconds: number, columns: number): string {
  const time = seconds(milliseconds);
  return `${fit(text, columns - time.length - 1)} ${time}`;
}

function seconds(milliseconds: number): string {
  return `${(Math.max(0, milliseconds) / 1000).toFixed(1)}s`;
}

function transfer(current: number, total: number | undefined): string {
  if (total === undefined) return formatBytes(current);
  const amount = `${formatBytes(current)} / ${formatBytes(total)}`;
  if (current >= total) return amount;
  const cells = Math.floor((current / total) * 20);
  return `[${"=".repeat(cells)}${" ".repeat(20 - cells)}] ${amount}`;
}
