/** A lexically clean path (Go's `path.Clean`): no `.`, no inner `..`, no doubled or trailing `/`; empty becomes `.`. */
export function cleanUnixPath(path: string): string {
  const rooted = path.startsWith("/");
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (!rooted) parts.push(part);
  }
  const joined = parts.join("/");
  return rooted ? `/${joined}` : joined === "" ? "." : joined;
}

/** `path` seen from `directory` (both may be relative to the root), clean and absolute. */
export function resolveUnixPath(directory: string, path: string): string {
  return cleanUnixPath(path.startsWith("/") ? path : `/${directory}/${path}`);
}

/** The last component (Go's `path.Base`): `.` for an empty path, `/` for the root. */
export function unixBase(path: string): string {
  if (path === "") return ".";
  const trimmed = path.replace(/\/+$/, "");
  return trimmed === "" ? "/" : trimmed.slice(trimmed.lastIndexOf("/") + 1);
}

/** The working directory after `WORKDIR path`; as BuildKit, an absolute path is kept as written. */
export function nextWorkdir(current: string, path: string): string {
  if (path.startsWith("/")) return path;
  return path === "" && current !== "" ? resolveUnixPath("/", current) : resolveUnixPath(current, path);
}

/** The destination of a COPY or ADD: absolute and clean; what names a directory (`x/`, `x/.`, `.`, nothing) ends in `/`. */
export function transferDestination(workdir: string, path: string): string {
  const clean = resolveUnixPath(workdir, path);
  const directory = path === "" || path === "." || path.endsWith("/") || path.endsWith("/.");
  return directory && clean !== "/" ? `${clean}/` : clean;
}
