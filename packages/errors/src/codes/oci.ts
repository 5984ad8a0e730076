/** Codes thrown by `oci`, each with the sentence that docs/errors.md shows. */
export const OCI_CODES = {
  OCI_INVALID_DIGEST: "A digest is not of the form sha256:<64 lower-case hex digits>.",
  OCI_INVALID_REFERENCE: "An image reference does not follow the distribution spec's grammar.",
  OCI_INVALID_PLATFORM: "A platform is not of the form os/architecture[/variant].",
  OCI_INVALID_MANIFEST: "A manifest, index or config does not follow the image spec.",
  OCI_NO_MATCHING_PLATFORM: "An index has no image for the platform that is asked for.",
  OCI_TOO_LARGE: "A manifest, index or config is larger than varve accepts (4 MiB; 1,000 layers; 1,000 manifests).",
} as const;
