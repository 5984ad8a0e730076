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
}

/** The form of what names none. */
const USUAL_FORM: CheckedForm = checkForm({});

/** Throws ARCHIVE_INVALID_CODEC for a compression or level that can't be written, BUILD_INVALID_OPTION for options that exclude each other. */
function checkForm(form: ImageForm): CheckedForm {
  const { compression = "gzip", compressionLevel: level, portable } = form;
  const mediaTypes = form.ociMediaTypes === false ? "docker" : "oci";
  if (mediaTypes === "docker" && (compression === "zstd" || compression === "estargz")) {
    const why = compression === "zstd" ? "under which clients do not read them" : "which have no annotations";
    throw new VarveError("BUILD_INVALID_OPTION", `${compression} layers cannot go with Docker's media types, ${why}`, {
      hint: "leave oci-mediatypes=false out",
    });
  }
  const codec = createCodec(compression === "uncompressed" ? "none" : compression === "estargz" ? "gzip" : compression, { level, portable });
  return { codec, estargz: compression === "estargz", force: form.forceCompression === true, mediaTypes };
}

/** The form an output's image has. */
export function formOf(output: Output): CheckedForm {
  return "form" in output && output.form !== undefined ? checkForm(output.form) : USUAL_FORM;
}

/** The form a build's result is told in, and its layers are made for: the first output's that holds an image. */
export function mainForm(outputs: readonly Output[]): CheckedForm {
  const first = outputs.find((output) => output.type === "image" || output.type === "oci" || output.type === "docker");
  return first === undefined ? USUAL_FORM : formOf(first);
}

/** What layers are compressed with while they are made: not at all when the form makes others of them. */
export function stepCodec(form: CheckedForm): Codec {
  return form.estargz ? createCodec("none") : form.codec;
}
