import type { DiffID } from "./digest.ts";

/** image-spec config.md. Keys varve does not know are kept through a round trip, hence the index signatures. */
export interface ImageConfig {
  /** RFC 3339. */
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly os: string;
  readonly "os.version"?: string;
  readonly "os.features"?: readonly string[];
  readonly config?: RuntimeConfig;
  readonly rootfs: { readonly type: "layers"; readonly diff_ids: readonly DiffID[] };
  readonly history?: readonly HistoryEntry[];
  readonly [unknown: string]: unknown;
}

/** The `config` object of an image config: what a container of the image starts with. */
export interface RuntimeConfig {
  readonly User?: string;
  /** Keys such as `80/tcp`. */
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  /** `NAME=value`. */
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, Record<string, never>>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly ArgsEscaped?: boolean;
  readonly Healthcheck?: Healthcheck;
  readonly OnBuild?: readonly string[] | null;
  readonly Shell?: readonly string[];
  readonly [unknown: string]: unknown;
}

/** Docker's extension of the config; durations in nanoseconds, zero or absent means inherit. */
export interface Healthcheck {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** One entry of `history`; `empty_layer` is absent for one that has a layer. */
export interface HistoryEntry {
  /** RFC 3339. */
  readonly created?: string;
  readonly author?: string;
  readonly created_by?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}
