import { createHash } from "node:crypto";
import type { BuildEvent } from "@varve/build";
import { findRule } from "@varve/dockerfile";
import type { ProgressRenderer } from "./plain.ts";
import { shortWarning, type Warning } from "./warning-list.ts";

/**
 * buildx's `--progress rawjson`: a `SolveStatus` of BuildKit's client a line, with `vertexes`, `statuses`, `logs` (`data` is base64) or
 * `warnings`. A vertex's digest tells steps apart within one build and stands for nothing else; `inputs` are not told. `redact` takes secrets out of
 * what base64 would hide.
 */
export function createRawJsonProgress(write: (text: string) => void, redact: (bytes: Uint8Array) => Uint8Array): ProgressRenderer {
  const steps = new Map<string, Vertex>();
  /** When statuses began: transfers, and parts of the work. */
  const begun = new Map<string, string>();
  const line = (status: object): void => write(`${JSON.stringify(status)}\n`);

  return {
    onProgress(event) {
      const timestamp = new Date(event.time).toISOString();
      if (event.type === "warning") return line({ warnings: [warningOf(event)] });
      if (event.type === "step-started") {
        const vertex = { digest: `sha256:${createHash("sha256").update(event.step).digest("hex")}`, name: event.title, started: timestamp };
        steps.set(event.step, vertex);
        return line({ vertexes: [vertex] });
      }
      const vertex = steps.get(event.step);
      if (vertex === undefined) return;
      const status = (id: string, current: number, total: number | undefined, completed: boolean): void => {
        const key = `${event.step}\n${id}`;
        const started = begun.get(key) ?? timestamp;
        begun.set(key, started);
        const size = total === undefined ? {} : { total };
        line({ statuses: [{ id, vertex: vertex.digest, ...size, current, timestamp, started, ...(completed ? { completed: timestamp } : {}) }] });
      };
      switch (event.type) {
        case "step-output":
          return line({
            logs: [{ vertex: vertex.digest, stream: event.stream === "stdout" ? 1 : 2, data: Buffer.from(redact(event.chunk)).toString("base64"), timestamp }],
          });
        case "step-progress":
          return status(event.name, event.current, event.total, event.total !== undefined && event.current >= event.total);
        case "step-note":
          return status(event.message, 0, undefined, true);
        case "step-part":
          return status(event.name, 0, undefined, event.done);
        case "step-finished":
          return line({ vertexes: [{ ...vertex, completed: timestamp, ...outcomeOf(event) }] });
      }
    },
    close() {},
  };
}

interface Vertex {
  readonly digest: string;
  readonly name: string;
  readonly started: string;
}

function outcomeOf({ outcome, error }: Extract<BuildEvent, { readonly type: "step-finished" }>): object {
  if (outcome === "cached") return { cached: true };
  // what BuildKit says of a vertex that another one's failure ended
  if (outcome === "cancelled") return { error: "context canceled" };
  return outcome === "failed" ? { error: error ?? "failed" } : {};
}

function warningOf(warning: Warning): object {
  const { rule, range } = warning;
  const { description, url } = findRule(rule) ?? {};
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  const position = ({ line, column }: { readonly line: number; readonly column: number }): object => ({ line, character: column - 1 });
  return {
    level: 1,
    short: base64(shortWarning(warning)),
    ...(description === undefined ? {} : { detail: [base64(description)] }),
    ...(url === undefined ? {} : { url }),
    ...(range === undefined ? {} : { range: [{ start: position(range.start), end: position(range.end) }] }),
  };
}
