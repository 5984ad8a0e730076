import { VarveError } from "@varve/errors";
import { canonicalJson } from "./canonical-json.ts";
import { type DiffID, isDigest } from "./digest.ts";
import type { Healthcheck, HistoryEntry, ImageConfig, RuntimeConfig } from "./image-config.ts";
import { invalidDocument, isJsonObject, isStringArray, isStringRecord, type JsonObject, parseJsonDocument } from "./json-document.ts";

const WHAT = "image config";
const DIFF_IDS_LIMIT = 1000;

/**
 * Parses an image config, OCI or Docker. Members that are `null` count as absent except where null means something (Entrypoint, Cmd,
 * OnBuild); unknown members stay. Throws OCI_INVALID_MANIFEST, OCI_TOO_LARGE.
 */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const { rootfs, config, history, ...rest } = dropNulls(parseJsonDocument(bytes, WHAT), []);
  for (const key of ["created", "author", "architecture", "variant", "os", "os.version"]) requireText(rest, key);
  const features = rest["os.features"];
  if (features !== undefined && !isStringArray(features)) throw invalidDocument(WHAT, "os.features is no list of texts");
  return {
    ...rest,
    // both are required, but tools that leave them out exist, and Docker takes their images as its own platform's
    architecture: typeof rest["architecture"] === "string" ? rest["architecture"] : "",
    os: typeof rest["os"] === "string" && rest["os"] !== "" ? rest["os"] : "linux",
    ...(config === undefined ? {} : { config: parseRuntimeConfig(config) }),
    rootfs: { type: "layers", diff_ids: parseDiffIDs(rootfs) },
    ...(history === undefined ? {} : { history: parseHistory(history) }),
  };
}

/** The bytes of a config as varve writes it; equal configs give equal bytes. */
export function serializeImageConfig(config: ImageConfig): Uint8Array {
  return canonicalJson(config);
}

/** Checks a `config` object: types of the known members, null handling as in {@link parseImageConfig}. */
export function parseRuntimeConfig(value: unknown): RuntimeConfig {
  if (!isJsonObject(value)) throw invalidDocument(WHAT, "config is not an object");
  const given = dropNulls(value, ["Entrypoint", "Cmd", "OnBuild"]);
  for (const key of ["User", "WorkingDir", "StopSignal"]) requireText(given, key);
  for (const key of ["Env", "Shell", "OnBuild"]) {
    const member = given[key];
    if (member !== undefined && member !== null && !isStringArray(member)) throw invalidDocument(WHAT, `${key} is no list of texts`);
  }
  for (const key of ["ExposedPorts", "Volumes"]) {
    if (given[key] !== undefined && !isJsonObject(given[key])) throw invalidDocument(WHAT, `${key} is not an object`);
  }
  if (given["Labels"] !== undefined && !isStringRecord(given["Labels"])) throw invalidDocument(WHAT, "Labels are no texts");
  const { Entrypoint, Cmd, Healthcheck, ArgsEscaped, ...rest } = given;
  if (ArgsEscaped !== undefined && typeof ArgsEscaped !== "boolean") throw invalidDocument(WHAT, "ArgsEscaped is no boolean");
  return {
    ...rest,
    ...(Entrypoint === undefined ? {} : { Entrypoint: parseCommand(Entrypoint, "Entrypoint") }),
    ...(Cmd === undefined ? {} : { Cmd: parseCommand(Cmd, "Cmd") }),
    ...(Healthcheck === undefined ? {} : { Healthcheck: parseHealthcheck(Healthcheck) }),
    ...(ArgsEscaped === undefined ? {} : { ArgsEscaped }),
  };
}

/** Old images hold a lone text where there is one word; Docker reads both. */
function parseCommand(value: unknown, key: string): readonly string[] | null {
  if (value === null || isStringArray(value)) return value;
  if (typeof value === "string") return [value];
  throw invalidDocument(WHAT, `${key} is no list of texts`);
}

function parseHealthcheck(value: unknown): Healthcheck {
  if (!isJsonObject(value)) throw invalidDocument(WHAT, "Healthcheck is not an object");
  const given = dropNulls(value, []);
  if (given["Test"] !== undefined && !isStringArray(given["Test"])) throw invalidDocument(WHAT, "Healthcheck.Test is no list of texts");
  for (const key of ["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"]) {
    const member = given[key];
    if (member !== undefined && typeof member !== "number") throw invalidDocument(WHAT, `Healthcheck.${key} is no number`);
  }
  return given;
}

function parseDiffIDs(rootfs: unknown): readonly DiffID[] {
  if (!isJsonObject(rootfs)) throw invalidDocument(WHAT, "it has no rootfs");
  if (rootfs["type"] !== undefined && rootfs["type"] !== "layers") throw invalidDocument(WHAT, "rootfs is not of type layers");
  const given = rootfs["diff_ids"] ?? [];
  if (!isStringArray(given)) throw invalidDocument(WHAT, "rootfs.diff_ids is no list of texts");
  if (given.length > DIFF_IDS_LIMIT) throw new VarveError("OCI_TOO_LARGE", `${WHAT} with ${given.length} layers; the limit is ${DIFF_IDS_LIMIT}`);
  return given.map((id) => {
    if (!isDigest(id)) throw invalidDocument(WHAT, `${JSON.stringify(id.slice(0, 100))} is no diffID`);
    return id as string as DiffID;
  });
}

function parseHistory(value: unknown): readonly HistoryEntry[] {
  if (!Array.isArray(value)) throw invalidDocument(WHAT, "history is no list");
  return value.map((item: unknown) => {
    if (!isJsonObject(item)) throw invalidDocument(WHAT, "a history entry is not an object");
    const entry = dropNulls(item, []);
    for (const key of ["created", "author", "created_by", "comment"]) requireText(entry, key);
    if (entry["empty_layer"] !== undefined && typeof entry["empty_layer"] !== "boolean") throw invalidDocument(WHAT, "empty_layer is no boolean");
    return entry;
  });
}

function requireText(object: JsonObject, key: string): void {
  if (object[key] !== undefined && typeof object[key] !== "string") throw invalidDocument(WHAT, `${key} is no text`);
}

/** Go writes absent slices and maps as null. */
function dropNulls(object: JsonObject, except: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key, value]) => value !== null || except.includes(key)));
}
