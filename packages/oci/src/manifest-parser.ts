import { VarveError } from "@varve/errors";
import { parseDescriptor } from "./descriptor-parser.ts";
import type { Descriptor } from "./descriptor.ts";
import { invalidDocument, isStringRecord, type JsonObject, parseJsonDocument } from "./json-document.ts";
import type { Index, Manifest } from "./manifest.ts";
import { isIndexType, isManifestType } from "./media-types.ts";

/** hardening.md, "Limits". */
const LAYERS_LIMIT = 1000;
const MANIFESTS_LIMIT = 1000;

/**
 * Parses an image manifest, OCI or Docker schema 2. `contentType` is what it was served or described as; when the body
 * names a media type too they must be equal. A body that is also an index is refused, so that no two readers see two images in it.
 * Members varve does not know stay. Throws OCI_INVALID_MANIFEST, OCI_TOO_LARGE.
 */
export function parseManifest(bytes: Uint8Array, contentType?: string): Manifest {
  const body = parseJsonDocument(bytes, "manifest");
  const common = parseCommon(body, "manifest", contentType, isManifestType);
  refuseMember(body, "manifest", "manifests");
  const layers = body["layers"] === null ? [] : body["layers"];
  if (!Array.isArray(layers)) throw invalidDocument("manifest", "it has no layers");
  if (layers.length > LAYERS_LIMIT) throw new VarveError("OCI_TOO_LARGE", `manifest with ${layers.length} layers; the limit is ${LAYERS_LIMIT}`);
  return {
    ...common,
    config: parseDescriptor(body["config"], "manifest"),
    layers: layers.map((layer: unknown) => parseDescriptor(layer, "manifest")),
  };
}

/** Parses an image index or Docker manifest list; rules as in {@link parseManifest}. Also fit for a layout's `index.json`. */
export function parseIndex(bytes: Uint8Array, contentType?: string): Index {
  const body = parseJsonDocument(bytes, "index");
  const common = parseCommon(body, "index", contentType, isIndexType);
  for (const member of ["layers", "config", "fslayers"]) refuseMember(body, "index", member);
  const manifests = body["manifests"] === null ? [] : body["manifests"];
  if (!Array.isArray(manifests)) throw invalidDocument("index", "it has no manifests");
  if (manifests.length > MANIFESTS_LIMIT) {
    throw new VarveError("OCI_TOO_LARGE", `index with ${manifests.length} manifests; the limit is ${MANIFESTS_LIMIT}`);
  }
  return { ...common, manifests: manifests.map((entry: unknown) => parseDescriptor(entry, "index")) };
}

interface Common {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

function parseCommon(body: JsonObject, what: string, contentType: string | undefined, isType: (type: string) => boolean): Common {
  const { schemaVersion, mediaType, artifactType, subject, annotations, ...unknown } = body;
  if (schemaVersion === 1) {
    throw new VarveError("OCI_INVALID_MANIFEST", `${what} of Docker's obsolete schema 1 is not supported`, {
      hint: "push the image again with a current tool",
    });
  }
  if (schemaVersion !== 2) throw invalidDocument(what, "schemaVersion is not 2");
  const served = contentType?.split(";")[0]?.trim().toLowerCase();
  if (mediaType !== undefined && typeof mediaType !== "string") throw invalidDocument(what, "mediaType is no text");
  for (const type of [served, mediaType]) {
    if (type !== undefined && !isType(type)) throw invalidDocument(what, `${JSON.stringify(type.slice(0, 200))} is not the media type of one`);
  }
  if (served !== undefined && mediaType !== undefined && served !== mediaType) {
    throw invalidDocument(what, `it says ${mediaType} but was served as ${served}`);
  }
  if (artifactType !== undefined && typeof artifactType !== "string") throw invalidDocument(what, "artifactType is no text");
  if (annotations !== undefined && annotations !== null && !isStringRecord(annotations)) throw invalidDocument(what, "the annotations are no texts");
  return {
    ...unknown,
    schemaVersion,
    ...(mediaType === undefined ? {} : { mediaType }),
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined || subject === null ? {} : { subject: parseDescriptor(subject, what) }),
    ...(annotations === undefined || annotations === null ? {} : { annotations }),
  };
}

/** Go's decoder ignores the case of member names, so `Manifests` would be seen by others. */
function refuseMember(body: JsonObject, what: string, member: string): void {
  const found = Object.keys(body).find((key) => key.toLowerCase() === member);
  if (found !== undefined) throw invalidDocument(what, `it must not have ${JSON.stringify(found)}`);
}
