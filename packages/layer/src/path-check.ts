import { type BytePath, displayPath, pathComponents } from "@varve/bytes";
import { VarveError } from "@varve/errors";

/** Bytes of a path, bytes of a component, components of a path (hardening.md, "Limits"). */
const PATH_LIMIT = 4096;
const COMPONENT_LIMIT = 255;
const DEPTH_LIMIT = 1024;

/** The components of a tree path; throws LAYER_INVALID_ENTRY when it is none, or past a limit. */
export function checkedComponents(path: BytePath): readonly BytePath[] {
  const components = pathComponents(path);
  if (components.length > DEPTH_LIMIT) throw invalidEntry(path, `lies ${components.length} directories deep, more than ${DEPTH_LIMIT}`);
  for (const component of components) checkedName(path, component);
  return components;
}

/** A component of `path` that is as checked as all of them by {@link checkedComponents}. */
export function checkedName(path: BytePath, name: BytePath): BytePath {
  if (path.length > PATH_LIMIT) throw invalidEntry(path, `has a path of ${path.length} bytes, more than ${PATH_LIMIT}`);
  if (name === "" || name === "." || name === ".." || name.includes("\0")) throw invalidEntry(path, "has a path with an empty, dot or NUL component");
  if (name.length > COMPONENT_LIMIT) throw invalidEntry(path, `has a name of ${name.length} bytes, more than ${COMPONENT_LIMIT}`);
  return name;
}

/** A LAYER_INVALID_ENTRY about `path`. */
export function invalidEntry(path: BytePath, why: string): VarveError {
  const shown = displayPath(path);
  return new VarveError("LAYER_INVALID_ENTRY", `entry ${JSON.stringify(shown.length > 200 ? `${shown.slice(0, 200)}…` : shown)} ${why}`);
}
