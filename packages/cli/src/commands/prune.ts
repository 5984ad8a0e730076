import { pruneStore, type StoredAmount } from "@varve/build";
import { VarveError } from "@varve/errors";
import { EXIT } from "../exit-code.ts";
import { formatBytes, parseDuration } from "../options/quantities.ts";
import type { Session } from "../session.ts";
import { renderTable } from "../table.ts";

/** What commander gives for `varve prune`. */
export interface PruneFlags {
  readonly all?: boolean;
  readonly filter: readonly string[];
  readonly dryRun?: boolean;
}

/** `varve prune`: frees what no image and no container needs. The table goes to stdout. */
export async function pruneCommand(session: Session, flags: PruneFlags): Promise<number> {
  const unusedFor = unusedForOf(flags.filter);
  const { removed, left } = await pruneStore({
    home: session.home,
    signal: session.signal,
    all: flags.all === true,
    dryRun: flags.dryRun === true,
    ...(unusedFor === undefined ? {} : { unusedFor }),
    onWait: () => session.say("waiting for builds that use the store to end\n"),
  });
  session.print(renderTable([["KIND", "COUNT", "SIZE"], ...removed.map(rowOf)]));
  const bytes = removed.reduce((sum, row) => sum + row.bytes, 0);
  session.print(`${flags.dryRun === true ? "Would free" : "Freed"} ${formatBytes(bytes)}\n`);
  for (const row of left) session.say(`varve: ${row.count} ${row.kind}s (${formatBytes(row.bytes)}) belong to other ids of a user namespace and were left\n`);
  return EXIT.ok;
}

function rowOf({ kind, count, bytes }: StoredAmount): readonly string[] {
  return [kind, String(count), formatBytes(bytes)];
}

function unusedForOf(filters: readonly string[]): number | undefined {
  let unusedFor: number | undefined;
  for (const filter of filters) {
    const [key, value = ""] = filter.split("=", 2);
    if (key !== "until") throw new VarveError("CLI_USAGE", `--filter: ${JSON.stringify(filter)} is not known`, { hint: "for example --filter until=24h" });
    unusedFor = parseDuration("--filter until", value);
  }
  return unusedFor;
}
