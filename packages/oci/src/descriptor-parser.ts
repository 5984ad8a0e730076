import type { Descriptor } from "./descriptor.ts";
import { isDigest } from "./digest.ts";
import { invalidDocument, isJsonObject, isStringArray, isStringRecord } from "./json-document.ts";
import type { Platform } from "./platform.ts";

const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

/** Checks a descriptor inside `what` (image-spec descriptor.md); unknown members stay. Throws OCI_INVALID_MANIFEST. */
export function parseDescriptor(value: unknown, what: string): Descriptor {
  if (!isJsonObject(value)) throw invalidDocument(what, "a descriptor is not an object");
  const { mediaType, digest, size, urls, annotations, data, platform, artifactType } = value;
  if (typeof mediaType !== "string" || !MEDIA_TYPE.test(mediaType)) throw invalidDocument(what, "a descriptor has no valid media type");
  if (typeof digest !== "string" || !isDigest(digest)) throw invalidDocument(what, `a descriptor has no valid sha256 digest`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) throw invalidDocument(what, `the size of ${digest} is no byte count`);
  const { urls: _u, annotations: _a, platform: _p, ...rest } = value;
  if (data !== undefined && typeof data !== "string") throw invalidDocument(what, `the data of ${digest} is no text`);
  if (artifactType !== undefined && typeof artifactType !== "string") throw invalidDocument(what, `the artifact type of ${digest} is no text`);
  return {
    ...rest,
    mediaType,
    digest,
    size,
    ...(urls === undefined || urls === null ? {} : { urls: checked(urls, isStringArray, what, `the urls of ${digest} are no list of texts`) }),
    ...(annotations === undefined || annotations === null
      ? {}
      : { annotations: checked(annotations, isStringRecord, what, `the annotations of ${digest} are no texts`) }),
    ...(platform === undefined || platform === null ? {} : { platform: checked(platform, isPlatform, what, `the platform of ${digest} is malformed`) }),
  };
}

function isPlatform(value: unknown): value is Platform {
  if (!isJsonObject(value)) return false;
  const optional = (key: string): boolean => value[key] === undefined || typeof value[key] === "string";
  const features = value["os.features"];
  return (
    typeof value["os"] === "string" &&
    typeof value["architecture"] === "string" &&
    optional("variant") &&
    optional("os.version") &&
    (features === undefined || isStringArray(features))
  );
}

function checked<T>(value: unknown, is: (value: unknown) => value is T, what: string, why: string): T {
  if (is(value)) return value;
  throw invalidDocument(what, why);
}
