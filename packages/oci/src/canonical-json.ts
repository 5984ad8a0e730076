const encoder = new TextEncoder();

/**
 * JSON that depends on the value alone: no white space, keys sorted by UTF-16 code unit (RFC 8785), properties that are `undefined` left
 * out, UTF-8. Manifests, configs and cache keys are written so. Throws a TypeError for what JSON cannot hold.
 */
export function canonicalJson(value: unknown): Uint8Array {
  return encoder.encode(write(value));
}

function write(value: unknown): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number" && Number.isFinite(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(write).join(",")}]`;
  if (typeof value === "object" && isPlain(value)) {
    const members: string[] = [];
    // code-unit order, also for keys such as "10" that an object would list by number
    for (const key of Object.keys(value).toSorted((a, b) => (a < b ? -1 : 1))) {
      const member: unknown = Reflect.get(value, key);
      if (member !== undefined) members.push(`${JSON.stringify(key)}:${write(member)}`);
    }
    return `{${members.join(",")}}`;
  }
  throw new TypeError(`no canonical JSON for ${Object.prototype.toString.call(value)}`);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
