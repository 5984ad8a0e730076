import type { BuildEvent } from "@varve/build";

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
  readonly pending: Map<"stdout" | "stderr", { readonly decoder: InstanceType<typeof TextDecoder>; text: string }>;
  announced: boolean;
}

/**
 * BuildKit's `--progress plain`: `#3 [1/2] RUN make`, `#3 0.512 output`, `#3 DONE 1.2s`. Every output line is written, whole, in the order
 * it came; nothing is clipped.
 */
export function createPlainProgress(write: (text: string) => void): ProgressRenderer {
  const steps = new Map<string, Step>();
  let last: number | undefined;

  const say = (step: Step, text: string): void => {
    // BuildKit repeats the title when the log changes from one step to another
    const title = !step.announced || (last !== step.number && last !== undefined);
    const gap = last !== undefined && last !== step.number ? "\n" : "";
    write(`${gap}${title ? `#${step.number} ${step.title}\n` : ""}${text === "" ? "" : `#${step.number} ${text}\n`}`);
    step.announced = true;
    last = step.number;
  };
  const seconds = (from: number, to: number): string => (Math.max(0, to - from) / 1000).toFixed(1);

  const output = (step: Step, stream: "stdout" | "stderr", chunk: Uint8Array, time: number): void => {
    const pending = step.pending.get(stream) ?? { decoder: new TextDecoder(), text: "" };
    step.pending.set(stream, pending);
    const lines = (pending.text + pending.decoder.decode(chunk, { stream: true })).split("\n");
    pending.text = lines.pop() ?? "";
    const at = (Math.max(0, time - step.started) / 1000).toFixed(3);
    for (const line of lines) say(step, `${at} ${line.replace(/\r$/, "")}`);
  };
  const flush = (step: Step, time: number): void => {
    for (const [stream, pending] of step.pending) if (pending.text !== "") output(step, stream, new TextEncoder().encode("\n"), time);
  };

  return {
    onProgress(event) {
      if (event.type === "warning") {
        const line = event.range === undefined ? "" : ` (line ${event.range.start.line})`;
        write(`WARN: ${event.rule}: ${event.message}${line}\n`);
        return;
      }
      if (event.type === "step-started") {
        const step: Step = { number: steps.size + 1, title: event.title, started: event.time, pending: new Map(), announced: false };
        steps.set(event.step, step);
        say(step, "");
        return;
      }
      const step = steps.get(event.step);
      if (step === undefined) return;
      switch (event.type) {
        case "step-output":
          output(step, event.stream, event.chunk, event.time);
          break;
        case "step-note":
          say(step, event.message);
          break;
        case "step-progress":
          // a line at the end of each transfer; the live bars are the tty's
          if (event.total !== undefined && event.current >= event.total) say(step, `${event.name} ${event.total} bytes`);
          break;
        case "step-finished":
          flush(step, event.time);
          if (event.outcome === "cached") say(step, "CACHED");
          else if (event.outcome === "done") say(step, `DONE ${seconds(step.started, event.time)}s`);
          else if (event.outcome === "cancelled") say(step, "CANCELED");
          else say(step, `ERROR: ${event.error ?? "failed"}`);
          break;
      }
    },
    close() {
      for (const step of steps.values()) flush(step, step.started);
    },
  };
}
