import type { Output } from "@varve/build";
import { VarveError } from "@varve/errors";
import { parseFields, parseFlag, refuseUnknownFields } from "./key-values.ts";

const KNOWN = ["type", "dest", "name", "push", "tar", "compression"];
const LATER = ["compression-level", "force-compression", "rewrite-timestamp", "oci-mediatypes", "annotation", "push-by-digest", "unpack", "store"];

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
  refuseUnknownFields("--output", fields, KNOWN);
  // what is made here is always gzip; what a base brings stays as it is, as with buildx
  const compression = fields.get("compression") ?? "gzip";
  if (compression !== "gzip") {
    throw new VarveError("CLI_USAGE", `--output: compression=${compression} is not supported yet`, {
      hint: "layers are written with gzip; leave compression out",
    });
  }
  const type = fields.get("type") ?? "";
  const names = fields.has("name") ? (fields.get("name") ?? "").split(",").filter((name) => name !== "") : tags;
  const dest = fields.get("dest");
  switch (type) {
    case "image":
    case "registry":
      if (dest !== undefined) throw new VarveError("CLI_USAGE", `--output type=${type} takes no dest`);
      return { type: "image", names, push: type === "registry" || (fields.has("push") && parseFlag("--output", "push", fields.get("push"))) };
    case "oci":
    case "docker": {
      const tar = !fields.has("tar") || parseFlag("--output", "tar", fields.get("tar"));
      return { type, dest: dest ?? standardOutput(type, tar), tar, names };
    }
    case "tar":
      return { type, dest: dest ?? standardOutput(type, true) };
    case "local":
      if (dest === undefined) throw new VarveError("CLI_USAGE", "--output type=local needs a dest");
      return { type, dest };
    default:
      throw new VarveError("CLI_USAGE", `--output: unknown type ${JSON.stringify(type)}`, {
        hint: "known types: image, registry, oci, docker, tar, local",
      });
  }
}

function standardOutput(type: string, tar: boolean): string {
  if (!tar) throw new VarveError("CLI_USAGE", `--output type=${type},tar=false needs a dest`);
  if (process.stdout.isTTY) {
    throw new VarveError("CLI_USAGE", `--output type=${type} would write an archive to the terminal`, { hint: `add dest=FILE, or redirect stdout` });
  }
  return "-";
}
