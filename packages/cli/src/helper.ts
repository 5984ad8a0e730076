import { existsSync } from "node:fs";
import Module, { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { compileProgram } from "./compiled-program.ts";
import { keepBytecode, restoreFlags } from "./v8-flags.ts";

// the helper process: its program lies beside this file, and its argument is the store's folder of what V8 has compiled, if there is one
const path = join(__dirname, "helper-program.cjs");
const [, , folder] = process.argv;
const module = new Module(path);
const require = createRequire(path);
if (folder === undefined) require(path);
else {
  const program = compileProgram(path, folder, "helper");
  if (!program.reused) {
    keepBytecode();
    // as with the program itself: not where nothing was built before
    const isWorth = existsSync(join(dirname(folder), "index.json"));
    process.once("exit", (code) => {
      restoreFlags();
      if (code === 0 && isWorth) program.keep();
    });
  }
  program.body(module.exports, require, module, path, dirname(path));
}
