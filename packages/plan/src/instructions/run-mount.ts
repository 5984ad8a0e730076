import { didYouMean, type RunMount, parseGoBoolean } from "@varve/dockerfile";
import { expandIn, type InstructionScope, placeOf, workdirOf } from "../instruction-scope.ts";
import type { PlannedMount } from "../plan.ts";
import { type Place, planError } from "../plan-error.ts";
import type { StageNode } from "../stage-node.ts";
import { cleanUnixPath, resolveUnixPath, unixBase } from "../unix-path.ts";

const ALIASES: ReadonlyMap<string, string> = new Map([
  ["src", "source"],
  ["dst", "target"],
  ["destination", "target"],
  ["ro", "readonly"],
  ["rw", "readwrite"],
]);
/** What each type takes. */
const KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ["bind", ["type", "from", "source", "target", "readonly"]],
  ["cache", ["type", "from", "source", "target", "readonly", "id", "sharing", "mode", "uid", "gid"]],
  ["tmpfs", ["type", "target", "size", "readonly"]],
  ["secret", ["type", "id", "source", "target", "env", "required", "mode", "uid", "gid", "readonly"]],
  ["ssh", ["type", "id", "target", "required", "mode", "uid", "gid", "readonly"]],
]);
/** What BuildKit lets stand though it means nothing there; said in a warning. */
const IGNORED: Readonly<Record<string, readonly string[]>> = { bind: ["id"], tmpfs: ["id", "source", "from"], ssh: ["from"] };
const ALL_KEYS = [...new Set(["readwrite", ...[...KEYS.values()].flat()])];
const VALUELESS = new Set(["readonly", "readwrite", "required"]);

/**
 * A mount with its values expanded and checked. Keys are the long ones: `target` (absolute, clean), `source`, `readonly` (`true` or `false`, on bind and
 * cache), `id`, `sharing`, `mode`, `uid`, `gid`, `required`, `env`, `size`. Throws PLAN_INVALID_MOUNT.
 */
export function planMount(scope: InstructionScope, mount: RunMount, source: StageNode | undefined): PlannedMount {
  const place = placeOf(scope, mount.range);
  const given = readFields(scope, mount, place);
  const type = given.get("type") ?? "bind";
  const fields = completed(scope, { type, given, place });
  const from = source === undefined ? undefined : scope.sourceVertex(source, place);
  // without `from` a bind shows the build context, and a cache starts empty
  return { mount, fields, ...(from === undefined ? (type === "bind" ? { from: scope.vertices.context("") } : {}) : { from }) };
}

function readFields(scope: InstructionScope, mount: RunMount, place: Place): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const { key: written, value } of mount.fields) {
    const key = ALIASES.get(written) ?? written;
    if (!ALL_KEYS.includes(key))
      throw planError("PLAN_INVALID_MOUNT", `a mount has no field ${JSON.stringify(written)}`, place, {
        hint: didYouMean(key, ALL_KEYS) ?? `its fields are ${ALL_KEYS.join(", ")}`,
      });
    if (value === undefined && !VALUELESS.has(key))
      throw planError("PLAN_INVALID_MOUNT", `the mount's field ${written} has no value`, place, { hint: `write ${written}=value` });
    const expanded = value === undefined ? "true" : expandIn(scope, { value, range: mount.range });
    if (key === "readwrite") fields.set("readonly", String(!isTrue(expanded, key, place)));
    else if (VALUELESS.has(key)) fields.set(key, String(isTrue(expanded, key, place)));
    else fields.set(key, key === "type" || key === "sharing" ? expanded.toLowerCase() : expanded);
  }
  const type = fields.get("type") ?? "bind";
  const known = KEYS.get(type);
  if (known === undefined)
    throw planError("PLAN_INVALID_MOUNT", `unsupported mount type ${JSON.stringify(type)}`, place, {
      hint: didYouMean(type, [...KEYS.keys()]) ?? `it is one of ${[...KEYS.keys()].join(", ")}`,
    });
  for (const key of fields.keys()) {
    if (known.includes(key)) continue;
    if (IGNORED[type]?.includes(key) !== true)
      throw planError("PLAN_INVALID_MOUNT", `a ${type} mount takes no ${key}`, place, { hint: `it takes ${known.join(", ")}` });
    scope.warn("IgnoredMountField", `${key} means nothing on a ${type} mount`, mount.range);
    fields.delete(key);
  }
  return fields;
}

interface Completion {
  readonly type: string;
  readonly given: ReadonlyMap<string, string>;
  readonly place: Place;
}

function completed(scope: InstructionScope, completion: Completion): Readonly<Record<string, string>> {
  const { type, given, place } = completion;
  const fields = new Map([["type", type], ...given]);
  checkNumbers(completion);
  const target = given.get("target") ?? "";
  if (target !== "") fields.set("target", resolveUnixPath(workdirOf(scope), target));
  else fields.delete("target");
  if (type === "secret") completeSecret(fields, { target, place });
  else if (type === "ssh") {
    fields.delete("readonly");
    if ((fields.get("id") ?? "") === "") fields.set("id", "default");
  } else completeDirectory(scope, fields, completion);
  return Object.fromEntries(fields);
}

function completeSecret(fields: Map<string, string>, { target, place }: { readonly target: string; readonly place: Place }): void {
  const source = fields.get("source") ?? "";
  const id = fields.get("id") ?? "";
  if (source !== "" && id !== "")
    throw planError("PLAN_INVALID_MOUNT", "a secret mount has both an id and a source", place, { hint: "they mean the same; keep id" });
  const name = source || id || (target === "" ? "" : unixBase(target));
  if (name === "") throw planError("PLAN_INVALID_MOUNT", "a secret mount has neither id nor target", place, { hint: "write --mount=type=secret,id=NAME" });
  fields.delete("source");
  fields.delete("readonly");
  fields.set("id", name);
  if (target === "" && !fields.has("env")) fields.set("target", `/run/secrets/${unixBase(name)}`);
}

function completeDirectory(scope: InstructionScope, fields: Map<string, string>, { type, given, place }: Completion): void {
  const target = resolveUnixPath(workdirOf(scope), given.get("target") ?? "");
  if (target === "/") throw planError("PLAN_INVALID_MOUNT", "a mount cannot be on /", place, { hint: "add target=/path, behind a comma and without blanks" });
  fields.set("target", target);
  if (type === "tmpfs") {
    fields.delete("readonly");
    return;
  }
  fields.set("source", resolveUnixPath("/", given.get("source") ?? ""));
  fields.set("readonly", given.get("readonly") ?? String(type === "bind"));
  if (type !== "cache") return;
  const sharing = given.get("sharing") ?? "shared";
  if (!["shared", "private", "locked"].includes(sharing))
    throw planError("PLAN_INVALID_MOUNT", `unsupported sharing ${JSON.stringify(sharing)}`, place, { hint: "it is one of shared, private, locked" });
  fields.set("sharing", sharing);
  // as written: two steps that say target=cache share it whatever their WORKDIR is
  fields.set("id", given.get("id") || cleanUnixPath(given.get("target") ?? ""));
}

function checkNumbers({ given, place }: Completion): void {
  const check = (key: string, pattern: RegExp, hint: string): void => {
    const value = given.get(key);
    if (value !== undefined && !pattern.test(value))
      throw planError("PLAN_INVALID_MOUNT", `invalid ${key} ${JSON.stringify(value)} of a mount`, place, { hint });
  };
  check("mode", /^[0-7]{1,11}$/, "write an octal number such as 0600");
  check("uid", /^[0-9]{1,10}$/, "write a number");
  check("gid", /^[0-9]{1,10}$/, "write a number");
  check("size", /^[0-9]+(\.[0-9]+)? ?([kmgtp]?i?b?)$/i, "write a size such as 64m");
}

function isTrue(value: string, key: string, place: Place): boolean {
  const flag = parseGoBoolean(value);
  if (flag !== undefined) return flag;
  throw planError("PLAN_INVALID_MOUNT", `${key}=${value} is neither true nor false`, place, { hint: `write ${key} alone, or ${key}=false` });
}
