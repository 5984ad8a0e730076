import type { SourceRange } from "@varve/errors";

/** What a build tells while it goes on. Libraries emit these, only the CLI renders. Times are milliseconds since the epoch. */
export type BuildEvent =
  /** A vertex of the plan, or work such as `exporting to image`, begins. */
  | { readonly type: "step-started"; readonly step: string; readonly title: string; readonly time: number }
  | { readonly type: "step-output"; readonly step: string; readonly stream: "stdout" | "stderr"; readonly chunk: Uint8Array; readonly time: number }
  /** Progress of a transfer within a step; `total` in bytes when known. */
  | { readonly type: "step-progress"; readonly step: string; readonly name: string; readonly current: number; readonly total?: number; readonly time: number }
  /** Something the step says of itself, one line. */
  | { readonly type: "step-note"; readonly step: string; readonly message: string; readonly time: number }
  /** A part of the step's work that is told by name (`writing image sha256:…`) begins, or is done. */
  | { readonly type: "step-part"; readonly step: string; readonly name: string; readonly done: boolean; readonly time: number }
  | {
      readonly type: "step-finished";
      readonly step: string;
      readonly outcome: "done" | "cached" | "failed" | "cancelled";
      readonly error?: string;
      readonly time: number;
    }
  | { readonly type: "warning"; readonly rule: string; readonly message: string; readonly range?: SourceRange; readonly time: number };
