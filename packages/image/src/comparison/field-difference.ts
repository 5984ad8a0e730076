/** One thing that two images say differently. */
export interface FieldDifference {
  /** Of a file: `presence`, `type`, `mode`, `owner`, `mtime`, `link`, `device`, `xattrs`, `content`; of a config or manifest the path within it, e.g. `config.Env[1]`. */
  readonly field: string;
  /** For people; `undefined` for what is not there. */
  readonly first: string | undefined;
  readonly second: string | undefined;
  /** Of a content: where the first byte is that differs. */
  readonly offset?: number;
}

/** Where two JSON documents differ, depth first, in the first one's order. */
export function compareDocuments(first: unknown, second: unknown, at = ""): readonly FieldDifference[] {
  if (isContainer(first) && isContainer(second) && Array.isArray(first) === Array.isArray(second)) {
    const keys = new Set([...Object.keys(first), ...Object.keys(second)]);
    return [...keys].flatMap((key) => {
      const path = Array.isArray(first) ? `${at}[${key}]` : at === "" ? key : `${at}.${key}`;
      return compareDocuments(first[key], second[key], path);
    });
  }
  const [a, b] = [JSON.stringify(first), JSON.stringify(second)] as readonly (string | undefined)[];
  return a === b ? [] : [{ field: at, first: a, second: b }];
}

function isContainer(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
