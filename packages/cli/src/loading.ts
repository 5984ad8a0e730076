import "./early-listing.ts";
import { join } from "node:path";
import { startCompiled } from "./compiled-start.ts";
import { defaultHome } from "./session.ts";
import { compileWasmOnce } from "./v8-flags.ts";

compileWasmOnce();
startCompiled({
  // the program lies beside this file when both are bundled
  path: join(__dirname, "program.cjs"),
  folder: join(defaultHome(process.env), "compiled"),
  command: process.argv[2],
  longAfter: 2,
});
