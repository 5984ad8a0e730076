import { isVarveError, type SourceRange } from "@varve/errors";
import type { BuildEvent } from "./build-event.ts";

/** Emits a build's events; one a build. */
export interface EventSink {
  /** Begins a step. */
  step(id: string, title: string): StepEvents;
  warning(rule: string, message: string, range?: SourceRange): void;
}

/** One step's events; exactly one of `done`, `cached`, `failed`, `cancelled` ends it, what comes after that is dropped. */
export interface StepEvents {
  output(stream: "stdout" | "stderr", chunk: Uint8Array): void;
  progress(name: string, current: number, total?: number): void;
  note(message: string): void;
  /** Carries out a part of the work that is told by name. */
  part<T>(name: string, work: () => Promise<T>): Promise<T>;
  done(): void;
  cached(): void;
  failed(error: unknown): void;
  /** Another step's failure, or the user, ended it. */
  cancelled(): void;
}

/** Makes events out of what happens; without a listener they go nowhere. */
export function createEventSink(listener: ((event: BuildEvent) => void) | undefined): EventSink {
  const emit = (event: BuildEvent): void => listener?.(event);
  return {
    step(step, title) {
      let ended = false;
      emit({ type: "step-started", step, title, time: Date.now() });
      const finish = (outcome: "done" | "cached" | "failed" | "cancelled", error?: string): void => {
        if (ended) return;
        ended = true;
        emit({ type: "step-finished", step, outcome, ...(error === undefined ? {} : { error }), time: Date.now() });
      };
      return {
        output: (stream, chunk) => ended || emit({ type: "step-output", step, stream, chunk, time: Date.now() }),
        progress: (name, current, total) =>
          ended || emit({ type: "step-progress", step, name, current, ...(total === undefined ? {} : { total }), time: Date.now() }),
        note: (message) => ended || emit({ type: "step-note", step, message, time: Date.now() }),
        async part(name, work) {
          const tell = (done: boolean): unknown => ended || emit({ type: "step-part", step, name, done, time: Date.now() });
          tell(false);
          const result = await work();
          tell(true);
          return result;
        },
        done: () => finish("done"),
        cached: () => finish("cached"),
        cancelled: () => finish("cancelled"),
        failed: (error) => finish(isCancellation(error) ? "cancelled" : "failed", error instanceof Error ? error.message : String(error)),
      };
    },
    warning: (rule, message, range) => emit({ type: "warning", rule, message, ...(range === undefined ? {} : { range }), time: Date.now() }),
  };
}

/** Whether an error only says that something else ended the build. */
function isCancellation(error: unknown): boolean {
  return isVarveError(error, "BUILD_CANCELLED") || (error instanceof Error && error.name === "AbortError");
}
