import { storeUsage } from "@varve/build";
import { EXIT } from "../exit-code.ts";
import { formatBytes } from "../options/quantities.ts";
import type { Session } from "../session.ts";
import { renderTable } from "../table.ts";

/** `varve du`: what the store takes of the disk, and what `varve prune` would free. */
export async function duCommand(session: Session, flags: { readonly json?: boolean }): Promise<number> {
  const rows = await storeUsage({ home: session.home, signal: session.signal });
  if (flags.json === true) {
    session.print(`${JSON.stringify(rows, undefined, 2)}\n`);
    return EXIT.ok;
  }
  const table = rows.map(({ kind, count, bytes, reclaimable }) => [kind, String(count), formatBytes(bytes), formatBytes(reclaimable)]);
  session.print(renderTable([["KIND", "COUNT", "SIZE", "RECLAIMABLE"], ...table]));
  session.print(`${formatBytes(rows.reduce((sum, row) => sum + row.bytes, 0))} in ${session.home}\n`);
  return EXIT.ok;
}
