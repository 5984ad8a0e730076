import "./early-listing.ts";
import { existsSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { compileProgram } from "./compiled-program.ts";
import { defaultHome } from "./session.ts";
import { compileWasmOnce, keepBytecode, restoreFlags } from "./v8-flags.ts";

/** Seconds. */
const LONG_S = 2;

// the program lies beside this file when both are bundled
const path = join(__dirname, "program.cjs");
const home = defaultHome(process.env);
compileWasmOnce();
const program = compileProgram(path, join(home, "compiled"), process.argv[2]);
if (!program.reused) {
  keepBytecode();
  // where nothing was built before there may be no second time, as in CI: the 0.03 s that this takes are spent after long runs only
  const isWorth = existsSync(join(home, "index.json")) ? () => true : () => process.uptime() > LONG_S;
  process.once("exit", (code) => {
    restoreFlags();
    if (code === 0 && isWorth()) program.keep();
  });
}
const module = new Module(path);
program.body(module.exports, createRequire(path), module, path, dirname(path));
