import { VarveError } from "@varve/errors";
import { serveRegistry } from "@varve/registry";
import { EXIT } from "../exit-code.ts";
import { withStore } from "../local-image.ts";
import type { Session } from "../session.ts";

/** `varve serve`: a registry over the store until SIGINT, SIGTERM or SIGHUP. */
export async function serveCommand(session: Session, flags: { readonly host: string; readonly port: string; readonly readOnly?: boolean }): Promise<number> {
  const port = Number(flags.port);
  if (!/^\d+$/.test(flags.port) || port > 65535) throw new VarveError("CLI_USAGE", `--port: ${JSON.stringify(flags.port)} is no port`);
  await withStore(session, async (store) => {
    const server = await serveRegistry({ store, host: flags.host, port, readOnly: flags.readOnly === true, signal: session.signal });
    try {
      session.print(`${server.url}\n`);
      session.say(`serving ${session.home} at ${server.url}; Ctrl-C stops\n`);
      await aborted(session.signal);
    } finally {
      await server[Symbol.asyncDispose]();
    }
  });
  return EXIT.ok;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  // a listener alone doesn't keep the process; the listening socket does
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
