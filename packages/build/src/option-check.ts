import { didYouMean } from "@varve/dockerfile";
import { VarveError } from "@varve/errors";
import type { BuildOptions, CacheRepository, ImageForm, Output } from "./build-options.ts";

/** Throws BUILD_INVALID_OPTION for a value that the option `name` can't have. */
type Check = (value: unknown, name: string) => void;

/** A check for every key, so that a key added to `T` cannot be forgotten here. */
type Shape<T> = { readonly [K in keyof Required<T>]: Check };

const text: Check = (value, name) => requireThat(typeof value === "string", name, "a string", value);
const flag: Check = (value, name) => requireThat(typeof value === "boolean", name, "true or false", value);
const callback: Check = (value, name) => requireThat(typeof value === "function", name, "a function", value);
const stream: Check = (value, name) =>
  requireThat(typeof value === "object" && value !== null && Symbol.asyncIterator in value, name, "a stream of bytes", value);
const signal: Check = (value, name) => requireThat(value instanceof AbortSignal, name, "an AbortSignal", value);
const whole: Check = (value, name) => requireThat(Number.isSafeInteger(value) && Number(value) >= 0, name, "a whole number of 0 or more", value);
/** -1 stands for no limit. */
const limit: Check = (value, name) => requireThat(Number.isSafeInteger(value) && Number(value) >= -1, name, "a whole number of -1 or more", value);

const oneOf =
  (...values: readonly string[]): Check =>
  (value, name) =>
    requireThat(typeof value === "string" && values.includes(value), name, values.map((one) => JSON.stringify(one)).join(" or "), value);

const list =
  (check: Check): Check =>
  (value, name) => {
    requireThat(Array.isArray(value), name, "an array", value);
    for (const [at, item] of (value as readonly unknown[]).entries()) check(item, `${name}[${at}]`);
  };

const texts: Check = (value, name) => {
  requireObject(value, name);
  for (const [key, item] of Object.entries(value)) text(item, `${name}.${key}`);
};

function shape<T>(checks: Shape<T>, required: readonly (keyof T & string)[]): Check {
  return (value, name) => {
    requireObject(value, name);
    const prefix = name === "options" ? "" : `${name}.`;
    for (const key of Object.keys(value)) {
      if (Object.hasOwn(checks, key)) continue;
      throw new VarveError("BUILD_INVALID_OPTION", `unknown option ${JSON.stringify(prefix + key)}`, {
        hint: didYouMean(key, Object.keys(checks)) ?? `known are ${Object.keys(checks).join(", ")}`,
      });
    }
    for (const [key, check] of Object.entries<Check>(checks)) {
      const item = value[key];
      if (item !== undefined) check(item, prefix + key);
      else if (required.some((one) => one === key)) throw new VarveError("BUILD_INVALID_OPTION", `option ${JSON.stringify(prefix + key)} is missing`);
    }
  };
}

const form = shape<ImageForm>(
  {
    compression: oneOf("gzip", "zstd", "estargz", "uncompressed"),
    compressionLevel: whole,
    forceCompression: flag,
    portable: flag,
    ociMediaTypes: flag,
    rewriteTimestamp: flag,
  },
  [],
);
type OutputOf<Type> = Extract<Output, { readonly type: Type }>;
const archive = shape<OutputOf<"oci" | "docker">>({ type: text, form, dest: text, tar: flag, names: list(text) }, ["dest", "tar", "names"]);
const files = shape<OutputOf<"local">>({ type: text, dest: text }, ["dest"]);
const OUTPUTS: Readonly<Record<Output["type"], Check>> = {
  image: shape<OutputOf<"image">>({ type: text, form, names: list(text), push: flag }, ["names", "push"]),
  oci: archive,
  docker: archive,
  tar: files,
  local: files,
};

const output: Check = (value, name) => {
  requireObject(value, name);
  const { type } = value;
  oneOf(...Object.keys(OUTPUTS))(type, `${name}.type`);
  OUTPUTS[type as Output["type"]](value, name);
};

type Item<K extends "secrets" | "ssh" | "addHosts" | "ulimits"> = NonNullable<BuildOptions[K]>[number];

const OPTIONS: Shape<BuildOptions> = {
  context: text,
  stdin: stream,
  file: text,
  dockerfile: text,
  tags: list(text),
  push: flag,
  buildArgs: texts,
  labels: texts,
  buildContexts: texts,
  target: text,
  platforms: list(text),
  noCache: flag,
  pull: flag,
  cacheRepository: shape<CacheRepository>({ name: text, maxAge: whole, readOnly: flag }, ["name"]),
  outputs: list(output),
  network: oneOf("default", "none", "host"),
  allow: list(oneOf("security.insecure", "network.host")),
  secrets: list(shape<Item<"secrets">>({ id: text, file: text, env: text }, ["id"])),
  ssh: list(shape<Item<"ssh">>({ id: text, socket: text }, ["id"])),
  addHosts: list(shape<Item<"addHosts">>({ host: text, address: text }, ["host", "address"])),
  shmSize: whole,
  ulimits: list(shape<Item<"ulimits">>({ name: text, soft: limit, hard: limit }, ["name", "soft", "hard"])),
  sandbox: text,
  requireIsolation: flag,
  insecureRegistries: list(text),
  home: text,
  sourceDateEpoch: whole,
  signal,
  onProgress: callback,
};

/** Checks what a program (maybe one without types) gives as options: keys and types, not whether they make sense together. Throws BUILD_INVALID_OPTION. */
export function requireOptions(options: unknown): void {
  shape<BuildOptions>(OPTIONS, ["context"])(options, "options");
}

function requireObject(value: unknown, name: string): asserts value is Record<string, unknown> {
  requireThat(typeof value === "object" && value !== null && !Array.isArray(value), name, "an object", value);
}

function requireThat(holds: boolean, name: string, wanted: string, value: unknown): void {
  if (holds) return;
  throw new VarveError("BUILD_INVALID_OPTION", `option ${JSON.stringify(name)} must be ${wanted}, not ${shown(value)}`);
}

function shown(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  return typeof value === "number" || typeof value === "boolean" || value === undefined ? String(value) : `a ${typeof value}`.replace("a o", "an o");
}
