import { VarveError } from "@varve/errors";

/** A JSON object whose members are not yet checked. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Bytes; hardening.md, "Limits". */
export const DOCUMENT_LIMIT: number = 4 * 1024 * 1024;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Parses a manifest, index or config (`what`) into an object. Throws OCI_TOO_LARGE past 4 MiB, OCI_INVALID_MANIFEST otherwise. */
export function parseJsonDocument(bytes: Uint8Array, what: string): JsonObject {
  if (bytes.length > DOCUMENT_LIMIT) {
    throw new VarveError("OCI_TOO_LARGE", `${what} of ${bytes.length} bytes is larger than ${DOCUMENT_LIMIT}`);
  }
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new VarveError("OCI_INVALID_MANIFEST", `${what} is not JSON`, { cause });
  }
  if (!isJsonObject(value)) throw invalidDocument(what, "it is not an object");
  return value;
}

/** Whether a parsed value is an object (not an array, not null). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a parsed value is an array of strings. */
export function isStringArray(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** Whether a parsed value is an object of strings. */
export function isStringRecord(value: unknown): value is Readonly<Record<string, string>> {
  return isJsonObject(value) && Object.values(value).every((item) => typeof item === "string");
}

/** An OCI_INVALID_MANIFEST that says what is wrong with a document. */
export function invalidDocument(what: string, why: string): VarveError {
  return new VarveError("OCI_INVALID_MANIFEST", `invalid ${what}: ${why}`);
}
