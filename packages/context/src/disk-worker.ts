// The thread that reads files for a layer; see disk-thread.ts.
import { parentPort } from "node:worker_threads";
import { fillFiles, type FillOrder } from "./disk-fill.ts";

parentPort?.on("message", ({ bytes, order }: { readonly bytes: Uint8Array; readonly order: FillOrder }) => {
  const outcome = fillFiles(bytes, order);
  parentPort?.postMessage(outcome, [outcome.digests.buffer]);
});
