import { existsSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { compileProgram } from "./compiled-program.ts";
import { defaultHome } from "./session.ts";

// the program lies beside this file when both are bundled
const path = join(__dirname, "program.cjs");
const home = defaultHome(process.env);
const program = compileProgram(path, join(home, "compiled"), process.argv[2]);
// where nothing was built before there may be no second time, as in CI: the 0.03 s that this takes are spent after long runs only
const LONG_S = 2;
const again = existsSync(join(home, "index.json"));
if (!program.reused) process.once("exit", (code) => code === 0 && (again || process.uptime() > LONG_S) && program.keep());
const module = new Module(path);
program.body(module.exports, createRequire(path), module, path, dirname(path));
