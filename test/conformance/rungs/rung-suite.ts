import type { Workspace } from "../../e2e/varve.ts";
import type { RungCase } from "./rung-cases.mjs";

/** Dockerfiles that are built in many places, and what they stand on. */
export interface RungSuite {
  /** As `build-cases.mjs` knows it. */
  readonly name: "SMALL" | "WIDE" | "DEBIAN" | "PREDICTED";
  readonly cases: readonly RungCase[];
  /** Fills `contexts/` of the workspace: the base's own, `given` for the cases, and a folder for each further named context. */
  makeContexts(space: Workspace): Promise<void>;
  /** What differs from one build to the next wherever it is run; `oneOwner`: or where there is one owner. */
  apart(path: string, oneOwner: boolean): boolean;
}
