import type { CopyEvent } from "@varve/image";
import { isIndexType, isManifestType } from "@varve/oci";
import { formatBytes } from "./options/quantities.ts";

/** Lines about blobs that a copy moves. */
export interface TransferLog {
  readonly onProgress: (event: CopyEvent) => void;
  /** `3 blobs (1.2MB), 1 mounted, 4 already there`. */
  summary(): string;
}

/** Says a line for each blob (manifests are not counted), once it is there. */
export function createTransferLog(say: (line: string) => void): TransferLog {
  const counts = { copied: 0, mounted: 0, exists: 0, skipped: 0 };
  const words = { copied: "done", mounted: "mounted from another repository", exists: "already there", skipped: "left where its urls say" };
  let bytes = 0;
  return {
    onProgress(event) {
      const { descriptor } = event;
      if (event.type !== "finished" || isManifestType(descriptor.mediaType) || isIndexType(descriptor.mediaType)) return;
      counts[event.outcome]++;
      if (event.outcome === "copied") bytes += descriptor.size;
      say(`${descriptor.digest.slice("sha256:".length, "sha256:".length + 12)}: ${formatBytes(descriptor.size)} ${words[event.outcome]}\n`);
    },
    summary() {
      const parts = [`${counts.copied} blob${counts.copied === 1 ? "" : "s"} (${formatBytes(bytes)})`];
      if (counts.mounted > 0) parts.push(`${counts.mounted} mounted`);
      if (counts.exists > 0) parts.push(`${counts.exists} already there`);
      return parts.join(", ");
    },
  };
}
