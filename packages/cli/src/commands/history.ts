import type { HistoryEntry } from "@varve/oci";
import { EXIT } from "../exit-code.ts";
import { openLocalImage, withStore } from "../local-image.ts";
import { formatAge, formatBytes } from "../options/quantities.ts";
import type { Session } from "../session.ts";
import { renderTable } from "../table.ts";

interface Line {
  readonly entry: HistoryEntry;
  readonly diffID?: string;
  readonly digest?: string;
  /** Bytes of the compressed layer; 0 without one. */
  readonly size: number;
}

/** `varve history IMAGE`: newest first, each step with the layer it added. */
export async function historyCommand(session: Session, text: string, flags: { readonly trunc: boolean; readonly json?: boolean }): Promise<number> {
  const lines = await withStore(session, async (store) => {
    const image = await openLocalImage(store, text, session.signal);
    let next = 0;
    return (image.config.history ?? []).map((entry): Line => {
      const layer = entry.empty_layer === true ? undefined : image.layers[next++];
      if (layer === undefined) return { entry, size: 0 };
      return { entry, diffID: layer.diffID, digest: layer.descriptor.digest, size: layer.descriptor.size };
    });
  });
  lines.reverse();
  if (flags.json === true) {
    session.print(`${JSON.stringify(lines, undefined, 2)}\n`);
    return EXIT.ok;
  }
  const now = Date.now();
  const cut = (value: string, length: number): string => (flags.trunc && value.length > length ? `${value.slice(0, length - 1)}…` : value);
  const rows = lines.map((line) => [
    line.digest?.slice("sha256:".length, flags.trunc ? "sha256:".length + 12 : undefined) ?? "",
    line.entry.created === undefined ? "N/A" : formatAge(Date.parse(line.entry.created), now),
    cut((line.entry.created_by ?? "").replaceAll(/\s+/g, " "), 60),
    formatBytes(line.size),
    line.entry.comment ?? "",
  ]);
  session.print(renderTable([["LAYER", "CREATED", "CREATED BY", "SIZE", "COMMENT"], ...rows]));
  return EXIT.ok;
}
