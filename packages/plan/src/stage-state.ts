import type { SourceRange } from "@varve/errors";
import type { HistoryEntry, ImageConfig, Platform, RuntimeConfig } from "@varve/oci";
import type { PlannedHistory, VertexID } from "./plan.ts";
import { nextWorkdir } from "./unix-path.ts";
import { setVariable, type Variables } from "./variables.ts";

/** BuildKit's mark on every history entry. */
const HISTORY_COMMENT = "buildkit.dockerfile.v0";
/** What PATH is where an image sets none. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** An ARG as declared in a stage, build arguments and defaults applied. */
export interface DeclaredArg {
  readonly name: string;
  readonly value: string | undefined;
  /** Of the instruction. */
  readonly range: SourceRange;
  /** True when it only takes over what is set before the first FROM. */
  readonly imported: boolean;
}

/** How far a stage has come. Instructions change it in order; a stage built on it starts from a copy. */
export interface StageState {
  platform: Platform;
  /** The image's config so far; `rootfs` and `history` stay the base's. */
  config: ImageConfig;
  /** What the next instruction and the next process see: ENV and ARG, the later one wins. */
  readonly variables: Variables;
  /** Names in `variables` that an ARG gave its value. */
  readonly fromArg: Set<string>;
  readonly args: DeclaredArg[];
  readonly history: PlannedHistory[];
  readonly layers: VertexID[];
  /** Where the layers start: an image or nothing. */
  readonly base: VertexID;
  /** The vertex with the stage's tree so far. */
  tip: VertexID;
  /** Whether this stage itself has said CMD. */
  hasCommand: boolean;
  /** Whether it, or a stage it is built on, has said WORKDIR. */
  hasWorkdir: boolean;
}

/** The state a stage has before its first instruction. */
export function initialState(start: { readonly config: ImageConfig; readonly platform: Platform; readonly base: VertexID }): StageState {
  const { config, platform, base } = start;
  const { created: _created, ...kept } = config;
  return openState({
    platform,
    config: { ...kept, config: withoutEmpty({ ...config.config, OnBuild: null }) },
    variables: new Map(),
    fromArg: new Set(),
    args: [],
    history: [],
    layers: [],
    base,
    tip: base,
    hasCommand: false,
    hasWorkdir: false,
  });
}

/** The state of a stage built on another: everything but its ONBUILD triggers. */
export function childState(parent: StageState): StageState {
  return openState({
    ...parent,
    config: { ...parent.config, config: withoutEmpty({ ...parent.config.config, OnBuild: null }) },
    variables: new Map(parent.variables),
    fromArg: new Set(parent.fromArg),
    args: [...parent.args],
    history: [...parent.history],
    layers: [...parent.layers],
    hasCommand: false,
  });
}

/** As BuildKit opens a stage: PATH is made sure of, the image's ENV wins over inherited ARGs, a relative WorkingDir becomes absolute. */
function openState(state: StageState): StageState {
  const env = state.config.config?.Env ?? [];
  if (!env.some((pair) => pair === "PATH" || pair.startsWith("PATH=")) && state.platform.os !== "windows")
    changeRuntime(state, { Env: [...env, `PATH=${DEFAULT_PATH}`] });
  for (const pair of state.config.config?.Env ?? []) {
    const equals = pair.indexOf("=");
    const name = equals < 0 ? pair : pair.slice(0, equals);
    setVariable(state.variables, name, equals < 0 ? "" : pair.slice(equals + 1));
    state.fromArg.delete(name);
  }
  const directory = state.config.config?.WorkingDir;
  if (directory !== undefined && directory !== "") changeRuntime(state, { WorkingDir: nextWorkdir(directory, directory) });
  return state;
}

/** The runtime part of the config so far. */
export function runtimeOf(state: StageState): RuntimeConfig {
  return state.config.config ?? {};
}

/** Replaces members of the runtime config; `null`, empty lists, texts and objects, and `false` leave it. */
export function changeRuntime(state: StageState, change: RuntimeConfig): void {
  state.config = { ...state.config, config: withoutEmpty({ ...runtimeOf(state), ...change }) };
}

/** Adds a line of history; `vertex` is the one whose layer it tells of. */
export function addHistory(state: StageState, createdBy: string, vertex?: VertexID): void {
  const entry: HistoryEntry = { created_by: createdBy, comment: HISTORY_COMMENT, ...(vertex === undefined ? { empty_layer: true } : {}) };
  state.history.push(vertex === undefined ? { entry } : { entry, vertex });
}

/** Lays a vertex on the stage: it becomes the tip and adds a layer. */
export function addLayer(state: StageState, vertex: VertexID): void {
  state.layers.push(vertex);
  state.tip = vertex;
}

/** Members the image format leaves out when they are empty; unknown members stay whatever they are. */
const OMITTED = new Set([
  "User",
  "ExposedPorts",
  "Env",
  "Entrypoint",
  "Cmd",
  "Volumes",
  "WorkingDir",
  "Labels",
  "StopSignal",
  "ArgsEscaped",
  "Healthcheck",
  "OnBuild",
  "Shell",
]);

function withoutEmpty(config: RuntimeConfig): RuntimeConfig {
  return Object.fromEntries(Object.entries(config).filter(([key, value]) => !OMITTED.has(key) || !isEmpty(value)));
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === "" || value === false) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}
