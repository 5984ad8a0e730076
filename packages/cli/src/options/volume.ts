import { isAbsolute, posix, resolve } from "node:path";
import type { RunVolume } from "@varve/build";
import { VarveError } from "@varve/errors";

/** `HOST:CONTAINER[:ro|rw]` as docker's --volume; a relative host path begins with a dot. Throws CLI_USAGE. */
export function parseVolume(text: string): RunVolume {
  const [source = "", target = "", mode = "rw", ...more] = text.split(":");
  const wrong = (why: string, hint?: string): VarveError => new VarveError("CLI_USAGE", `--volume ${text}: ${why}`, { hint });
  if (source === "" || target === "" || more.length > 0) throw wrong("is not HOST:CONTAINER[:ro]", "for example -v ./data:/data:ro");
  if (!isAbsolute(source) && !source.startsWith("."))
    throw wrong("varve has no named volumes", `a directory of the host begins with / or ./, as in -v ./${source}:${target}`);
  if (!posix.isAbsolute(target)) throw wrong(`${target} is not an absolute path`);
  if (mode !== "ro" && mode !== "rw") throw wrong(`unknown mode ${JSON.stringify(mode)}`, "known modes: ro, rw");
  return { source: resolve(source), target, readonly: mode === "ro" };
}
