export { baseKey } from "./base-key.ts";
export { CHECK_ARG, checkBuild, planBuild, refuseWarnings, requiredBases } from "./build-plan.ts";
export { type Outline, type OutlineArg, type OutlineMount, outlineTarget } from "./outline.ts";
export type {
  ContextVertex,
  ImageVertex,
  Plan,
  PlannedHistory,
  PlannedMount,
  PlanOptions,
  RequiredBase,
  ResolvedBase,
  RunVertex,
  ScratchVertex,
  TransferSource,
  TransferVertex,
  Vertex,
  VertexID,
  WorkdirVertex,
} from "./plan.ts";
export { globalVariables } from "./variables.ts";
export { inputsOf } from "./vertex-list.ts";
