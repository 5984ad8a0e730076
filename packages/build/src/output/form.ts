import { type Codec, createCodec } from "@varve/archive";
import { VarveError } from "@varve/errors";
import type { ImageForm, Output } from "../build-options.ts";

/** An {@link ImageForm} that was checked. Plain data: equal forms give equal images. */
export interface CheckedForm {
  readonly codec: Codec;
  /** Layers are eStargz, which `codec` compresses. */
  readonly estargz: boolean;
  /** Whether a base's layers are recompressed too. */
  readonly force: boolean;
  readonly mediaTypes: "oci" | "docker";
  /** Seconds since the epoch; file times after it become it in the layers made here. */
  readonly latestTime: number | undefined;
}

/**
 * The form that an output asks for; `epoch` in seconds. Throws ARCHIVE_INVALID_CODEC for a compression or level that can't be written,
 * BUILD_INVALID_OPTION for options that exclude each other or lack something.
 */
export function formOf(output: Output, epoch: number | undefined): CheckedForm {
  const form: ImageForm = ("form" in output ? output.form : undefined) ?? {};
  const { compression = "gzip", compressionLevel: level, portable } = form;
  const mediaTypes = form.ociMediaTypes === false ? "docker" : "oci";
  if (mediaTypes === "docker" && (compression === "zstd" || compression === "estargz")) {
    const why = compression === "zstd" ? "under which clients do not read them" : "which have no annotations";
    throw new VarveError("BUILD_INVALID_OPTION", `${compression} layers cannot go with Docker's media types, ${why}`, {
      hint: "leave oci-mediatypes=false out",
    });
  }
  const codec = createCodec(compression === "uncompressed" ? "none" : compression === "estargz" ? "gzip" : compression, { level, portable });
  const latestTime = form.rewriteTimestamp === true ? requireEpoch(epoch) : undefined;
  return { codec, estargz: compression === "estargz", force: form.forceCompression === true, mediaTypes, latestTime };
}

/**
 * The form a build's result is told in, and its layers are made for: the first output's that holds an image. What only goes into a directory or a tar
 * of files is not compressed.
 */
export function mainForm(outputs: readonly Output[], epoch: number | undefined): CheckedForm {
  const first = outputs.find((output) => output.type === "image" || output.type === "oci" || output.type === "docker");
  return formOf(first ?? { type: "image", names: [], push: false, form: { compression: "uncompressed" } }, epoch);
}

/** What layers are compressed with while they are made: not at all when the form makes others of them. */
export function stepCodec(form: CheckedForm): Codec {
  return form.estargz || form.latestTime !== undefined ? createCodec("none") : form.codec;
}

function requireEpoch(epoch: number | undefined): number {
  if (epoch !== undefined) return epoch;
  throw new VarveError("BUILD_INVALID_OPTION", "rewrite-timestamp needs to know the time to write", {
    hint: "set SOURCE_DATE_EPOCH, for example to $(git log -1 --format=%ct)",
  });
}
