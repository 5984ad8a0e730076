import type { BuildEvent } from "@varve/build";
import { visibleText } from "@varve/errors";
import { formatBytes } from "../options/quantities.ts";
import { type Warning, warningList } from "./warning-list.ts";

/** Renders build events; `close` writes what is left. */
export interface ProgressRenderer {
  readonly onProgress: (event: BuildEvent) => void;
  close(): void;
}

interface Step {
  readonly number: number;
  readonly title: string;
  readonly started: number;
  /** The unfinished last line of each stream. */
  readonly pending: Map<"stdout" | "stderr", Buffer>;
  /** When parts of its work began. */
  readonly parts: Map<string, number>;
  finished: boolean;
}

const NEWLINE = 0x0a;

/**
 * BuildKit's `--progress plain`: `#3 [1/2] RUN make`, `#3 0.512 output`, `#3 DONE 1.2s`. Every output line is written, whole, in the order
 * it came, its bytes as they are.
 */
export function createPlainProgress(write: (text: string | Uint8Array) => void, debug: boolean): ProgressRenderer {
  const steps = new Map<string, Step>();
  const warnings: Warning[] = [];
  let last: Step | undefined;

  /** What comes before a line of a step: BuildKit repeats the title when the log changes from one step to another. */
  const opening = (step: Step): string => {
    if (last === step) return "";
    const leaving = last === undefined ? "" : last.finished ? "\n" : `#${last.number} ...\n\n`;
    last = step;
    return `${leaving}#${step.number} ${step.title}\n`;
  };
  const say = (step: Step, text: string): void => write(`${opening(step)}#${step.number} ${text}\n`);

  const output = (step: Step, stream: "stdout" | "stderr", chunk: Uint8Array, time: number): void => {
    let rest = Buffer.concat([step.pending.get(stream) ?? Buffer.alloc(0), chunk]);
    const prefix = Buffer.from(`#${step.number} ${sinceStart(time - step.started)} `);
    const pieces: Uint8Array[] = [];
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      pieces.push(prefix, rest.subarray(0, end + 1));
      rest = rest.subarray(end + 1);
    }
    step.pending.set(stream, rest);
    if (pieces.length > 0) write(Buffer.concat([Buffer.from(opening(step)), ...pieces]));
  };
  const flush = (step: Step, time: number): void => {
    for (const [stream, pending] of step.pending) if (pending.length > 0) output(step, stream, Buffer.from([NEWLINE]), time);
  };

  const onStepEvent = (step: Step, event: Exclude<BuildEvent, { readonly type: "warning" | "step-started" }>): void => {
    switch (event.type) {
      case "step-output":
        return output(step, event.stream, event.chunk, event.time);
      case "step-note":
        return say(step, visibleText(event.message));
      case "step-part":
        if (!event.done) step.parts.set(event.name, event.time);
        else say(step, `${visibleText(event.name)}${took(event.time - (step.parts.get(event.name) ?? event.time))} done`);
        return;
      case "step-progress": {
        // a line at the end of each transfer; the live bars are the tty's
        const { name, current, total } = event;
        if (total !== undefined && current >= total) say(step, `${visibleText(name)} ${formatBytes(current)} / ${formatBytes(total)} done`);
        return;
      }
      case "step-finished":
        flush(step, event.time);
        step.finished = true;
        if (event.outcome === "cached") say(step, "CACHED");
        else if (event.outcome === "done") say(step, `DONE ${(Math.max(0, event.time - step.started) / 1000).toFixed(1)}s`);
        else if (event.outcome === "cancelled") say(step, "CANCELED");
        else say(step, `ERROR: ${visibleText(event.error ?? "failed")}`);
    }
  };

  return {
    onProgress(event) {
      if (event.type === "warning") {
        warnings.push(event);
        return;
      }
      if (event.type === "step-started") {
        const step: Step = {
          number: steps.size + 1,
          title: visibleText(event.title),
          started: event.time,
          pending: new Map(),
          parts: new Map(),
          finished: false,
        };
        steps.set(event.step, step);
        write(opening(step));
        return;
      }
      const step = steps.get(event.step);
      if (step !== undefined) onStepEvent(step, event);
    },
    close() {
      for (const step of steps.values()) flush(step, step.started);
      write(warningList(warnings, { expanded: debug }));
    },
  };
}

/** Seconds with the digits BuildKit gives them. */
function sinceStart(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  return seconds.toFixed(seconds < 10 ? 3 : seconds < 100 ? 2 : 1);
}

function took(milliseconds: number): string {
  return milliseconds < 50 ? "" : ` ${(milliseconds / 1000).toFixed(1)}s`;
}
