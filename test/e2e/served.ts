import { spawn } from "node:child_process";
import { VARVE } from "./varve.ts";

/** A running `varve serve` on a free port of the loopback. */
export interface Served {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  stop(): void;
}

/** Serves a store until it is stopped. */
export async function serveStore(home: string): Promise<Served> {
  const server = spawn(process.execPath, [VARVE, "serve", "--port", "0"], { env: { ...process.env, VARVE_HOME: home }, stdio: ["ignore", "pipe", "ignore"] });
  const host = await new Promise<string>((resolve, reject) => {
    server.once("exit", (code) => reject(new Error(`varve serve ended with ${code}`)));
    server.stdout.once("data", (data: Buffer) => resolve(new URL(String(data).trim()).host));
  });
  return {
    host,
    stop() {
      server.removeAllListeners("exit");
      server.kill();
    },
  };
}
