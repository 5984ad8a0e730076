import type { ImageForm, Output } from "@varve/build";
import { VarveError } from "@varve/errors";
import { parseFields, parseFlag, refuseUnknownFields } from "./key-values.ts";

const KNOWN = ["type", "dest", "name", "push", "tar"];
/** Of images only. */
const FORM = ["compression", "compression-level", "force-compression", "portable", "oci-mediatypes", "rewrite-timestamp"];
const COMPRESSIONS = ["gzip", "zstd", "estargz", "uncompressed"] as const;
const LATER = ["annotation", "push-by-digest", "unpack", "store"];

/** Parses `-o/--output` as buildx does: `type=…,dest=…`, a bare path (`local`), or `-` (a tar on stdout). */
export function parseOutput(text: string, tags: readonly string[]): Output {
  if (text === "-") return { type: "tar", dest: "-" };
  const fields = parseFields("--output", text);
  if (!fields.has("type")) {
    if (fields.size === 1 && [...fields.values()][0] === undefined) return { type: "local", dest: text };
    throw new VarveError("CLI_USAGE", `--output ${text}: no type`, { hint: "for example --output type=oci,dest=image.tar" });
  }
  for (const key of LATER) {
    if (fields.has(key)) throw new VarveError("CLI_USAGE", `--output: ${key} is not supported yet`, { hint: `leave ${key} out` });
  }
  refuseUnknownFields("--output", fields, [...KNOWN, ...FORM]);
  const form = parseForm(fields);
  const type = fields.get("type") ?? "";
  const names = fields.has("name") ? (fields.get("name") ?? "").split(",").filter((name) => name !== "") : tags;
  const dest = fields.get("dest");
  switch (type) {
    case "image":
    case "registry":
      if (dest !== undefined) throw new VarveError("CLI_USAGE", `--output type=${type} takes no dest`);
      return { type: "image", ...form, names, push: type === "registry" || (fields.has("push") && parseFlag("--output", "push", fields.get("push"))) };
    case "oci":
    case "docker": {
      const tar = !fields.has("tar") || parseFlag("--output", "tar", fields.get("tar"));
      return { type, ...form, dest: dest ?? standardOutput(type, tar), tar, names };
    }
    case "tar":
      refuseForm(type, fields);
      return { type, dest: dest ?? standardOutput(type, true) };
    case "local":
      refuseForm(type, fields);
      if (dest === undefined) throw new VarveError("CLI_USAGE", "--output type=local needs a dest");
      return { type, dest };
    default:
      throw new VarveError("CLI_USAGE", `--output: unknown type ${JSON.stringify(type)}`, {
        hint: "known types: image, registry, oci, docker, tar, local",
      });
  }
}

function parseForm(fields: ReadonlyMap<string, string | undefined>): { readonly form?: ImageForm } {
  if (!FORM.some((key) => fields.has(key))) return {};
  const flag = (key: string): boolean | undefined => (fields.has(key) ? parseFlag("--output", key, fields.get(key)) : undefined);
  return {
    form: {
      compression: parseCompression(fields),
      compressionLevel: parseLevel(fields),
      forceCompression: flag("force-compression"),
      portable: flag("portable"),
      ociMediaTypes: flag("oci-mediatypes"),
      rewriteTimestamp: flag("rewrite-timestamp"),
    },
  };
}

function parseCompression(fields: ReadonlyMap<string, string | undefined>): ImageForm["compression"] {
  const given = fields.get("compression");
  const known = COMPRESSIONS.find((name) => name === given);
  if (!fields.has("compression") || known !== undefined) return known;
  throw new VarveError("CLI_USAGE", `--output: unknown compression ${JSON.stringify(given ?? "")}`, { hint: `known are ${COMPRESSIONS.join(", ")}` });
}

/** Whether a compression has such a level is the build's to say. */
function parseLevel(fields: ReadonlyMap<string, string | undefined>): number | undefined {
  if (!fields.has("compression-level")) return undefined;
  const given = fields.get("compression-level") ?? "";
  if (!/^\d{1,9}$/.test(given)) throw new VarveError("CLI_USAGE", `--output: compression-level is a whole number of 0 or more, not ${JSON.stringify(given)}`);
  return Number(given);
}

function refuseForm(type: string, fields: ReadonlyMap<string, string | undefined>): void {
  const key = FORM.find((name) => fields.has(name));
  if (key === undefined) return;
  throw new VarveError("CLI_USAGE", `--output type=${type} takes no ${key}`, { hint: "it holds files, not layers; type=image, registry, oci and docker do" });
}

function standardOutput(type: string, tar: boolean): string {
  if (!tar) throw new VarveError("CLI_USAGE", `--output type=${type},tar=false needs a dest`);
  if (process.stdout.isTTY) {
    throw new VarveError("CLI_USAGE", `--output type=${type} would write an archive to the terminal`, { hint: `add dest=FILE, or redirect stdout` });
  }
  return "-";
}
